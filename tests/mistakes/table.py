"""One wrong input: what is changed in a project that ships, what is typed, and how both are written down.

The answers are in tests/golden/mistakes, one file a table: each entry shows the wrong input, the command, the
whole message and the exit code. `pytest tests/unit/test_mistakes.py --update-golden` writes them anew.
"""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath

from tests.support import MINIMAL

LONGEST_LINE = 100
SOUND: Mapping[str, str] = {**MINIMAL, "flows/hello/requirements.txt": "attrs\n"}


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """A named pipe."""


@dataclass(frozen=True)
class Folder:
    """A folder with nothing in it."""


Content = str | bytes | Link | Pipe | Folder | None  # None: the file is removed
Files = Mapping[str, Content]


@dataclass(frozen=True)
class Mistake:
    """Files that are changed, words that are typed, environment variables that are set."""

    files: Files = field(default_factory=dict)
    words: tuple[str, ...] = ("list",)
    env: Mapping[str, str] = field(default_factory=dict)


def change(root: Path, files: Files) -> None:
    """Make the changes below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            _remove(path)
        match content:
            case str():
                path.write_bytes(content.encode())
            case bytes():
                path.write_bytes(content)
            case Link():
                path.symlink_to(content.target)
            case Pipe():
                os.mkfifo(path)
            case Folder():
                path.mkdir()


def put_back(root: Path, sound: Path, names: Iterable[str]) -> None:
    """Make what was changed below `root` as it is in `sound`: copying all of it for each mistake takes long."""
    for name in names:
        path = PurePath(name)
        upwards = [path, *path.parents][:-1]
        new = [one for one in upwards if not os.path.lexists(sound / one)]
        _remove(root / (new[-1] if new else path))
        if (sound / path).is_dir():
            shutil.copytree(sound / path, root / path, symlinks=True)
        elif not new:
            shutil.copy2(sound / path, root / path)


def content(folder: Path) -> dict[str, bytes | str | None]:
    """All that is below a folder: files with what they hold, where links lead, and None for folders."""
    found: dict[str, bytes | str | None] = {}
    for path in folder.rglob("*"):
        kept = None if path.is_dir() else path.read_bytes()
        found[path.relative_to(folder).as_posix()] = os.readlink(path) if path.is_symlink() else kept
    return found


def _remove(path: Path) -> None:
    if os.path.lexists(path):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def shown(mistake: Mistake) -> list[str]:
    """The wrong input as lines for a reader."""
    lines = [line for name, content in mistake.files.items() for line in _file(name, content)]
    lines += [f"{name}={value}" for name, value in mistake.env.items()]
    return [line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..." for line in lines]


def _file(name: str, content: Content) -> list[str]:
    match content:
        case None:
            return [f"{name}: removed"]
        case Link():
            return [f"{name}: link to {content.target}"]
        case Pipe():
            return [f"{name}: named pipe"]
        case Folder():
            return [f"{name}: empty folder"]
        case bytes():
            return [f"{name}: {content!r}"]
    before = SOUND.get(name, "").splitlines()
    changes = difflib.unified_diff(before, content.splitlines(), n=0, lineterm="")
    lines = [f"  {line[0]} {line[1:]}".rstrip() for line in changes if line[:2] not in ("--", "++", "@@")]
    return [f"{name}:", *(lines or ["  (empty)"])]


def typed(words: tuple[str, ...]) -> str:
    """The command as it is typed; words that would not be seen are quoted."""
    quoted = [word if word.isprintable() and word and " " not in word else ascii(word) for word in words]
    return " ".join(["$ flowyard", *quoted])


def entry(name: str, mistake: Mistake, answer: str, code: int) -> str:
    """One entry of a golden file."""
    text = "\n".join(
        [f"# {name}", *shown(mistake), typed(mistake.words), *answer.splitlines(), f"[exit code {code}]"]
    )
    return text.encode("utf-8", "backslashreplace").decode()  # as stderr writes what is no text


def written(entries: Mapping[str, str]) -> str:
    """A golden file."""
    return "\n\n".join(entries.values()) + "\n"


@cache
def read(file: Path) -> Mapping[str, str]:
    """The entries of a golden file by name."""
    entries = file.read_text("utf-8").rstrip("\n").split("\n\n")
    return {text.partition("\n")[0].removeprefix("# "): text for text in entries}
