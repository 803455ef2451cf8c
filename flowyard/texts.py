"""Reads a text file of the project, or says which file cannot be read and why.

Every file that people write goes through here: an error that names a byte and no file helps nobody.
"""

from __future__ import annotations

from pathlib import Path

from flowyard.errors import ConfigurationError, Problem


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
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, not_utf8(error)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is said of a file whose bytes are no text."""
    return f"is not UTF-8 text (byte {error.start}); save it as UTF-8"


def _unreadable(path: Path, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(path.as_posix(), "", text)])
