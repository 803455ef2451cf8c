"""Text: a file of the project read, or which one cannot be and why; values, names and sizes as people read them.

An error that names a byte and no file helps nobody. TOML files are read in configuration/parse.py, which collects
their problems instead of ending with the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date, time
from pathlib import Path

from flowyard.errors import ConfigurationError, Problem, one_line


def in_utf8(name: str) -> str:
    """A file's name, or where a link leads, as its bytes read in UTF-8: Python reads them as the locale says."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def read_text(root: Path, path: Path) -> str:
    """The text of `path`, which is relative to `root`. Raises ConfigurationError naming the file."""
    return decoded(path, read_bytes(root, path))


def read_bytes(root: Path, path: Path) -> bytes:
    """The content of `path`, which is relative to `root`. Raises ConfigurationError naming the file."""
    try:
        return (root / path).read_bytes()
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error


def decoded(path: Path, content: bytes) -> str:
    """The content as text with line breaks of one character. Raises ConfigurationError naming the file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, not_utf8(error)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is said of a file whose bytes are no text."""
    return f"is not UTF-8 text (byte {error.start}); save it as UTF-8"


def shortened(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first of the items in a row, and how many more there are."""
    shown = separator.join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def show(value: object) -> str:
    """A found value as the file might write it, cut to one line."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, date | time):
        text = value.isoformat()
    elif isinstance(value, str):
        text = f'"{one_line(value)}"'
    else:
        text = one_line(_repr(value))
    return _cut(text)


def quoted(word: str) -> str:
    """A word of the command line as messages show it, cut to one line."""
    return _cut(repr(word))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # a whole number of more digits than Python writes out
        return "a number of thousands of digits"


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing when no allowed word is near."""
    import difflib  # only mistakes pay for it

    near = difflib.get_close_matches(found.replace("_", "-"), list(allowed), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _unreadable(path: Path, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(path.as_posix(), "", text)])


def shown_seconds(seconds: float) -> str:
    """A duration as people read it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02} s"


def shown_size(size: float) -> str:
    """A size as people read it."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
