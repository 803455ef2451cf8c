"""A little repository with one of everything that is hashed, and the means to change it.

A change is a function of the repository's folder; changes.py lists them with what `plan` has to say.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import REGISTRY, lock, make_project, write_files

Change = Callable[[Path], object]

FLOW_TOML = """[deployments.daily]
schedules = [{ cron = "0 6 * * *" }, { cron = "0 18 * * *" }]
parameters = { day = "today" }
tags = ["nightly"]
"""
PROJECT: Mapping[str, str] = {
    "registry.toml": f'{REGISTRY}\n[defaults]\ninclude = ["shared"]\n',
    "shared/days.py": "DAYS = 7\n",
    "extra/more.py": "MORE = 1\n",
    "flows/hello/flow.toml": FLOW_TOML,
    "flows/hello/helper.py": "HELP = 1\n",
    "flows/hello/same.py": "HELP = 1\n",
    "flows/hello/data/rows.csv": "a,b\n",
    "flows/hello/run.sh": "#!/bin/sh\n",
    "flows/hello/requirements.txt": "attrs\nidna\n",
    "registry.local.toml": '[build-secrets]\ntoken = { file = "secret.txt" }\n',
    "secret.txt": "first",
}
LOCK = "flows/hello/requirements.lock"
SETTINGS = "flows/hello/flow.toml"


def make_repository(root: Path) -> Path:
    """The repository in a new folder `root`, locked."""
    make_project(root, dict(PROJECT))
    (root / "flows/hello/link").symlink_to("helper.py")
    (root / "flows/hello/run.sh").chmod(0o755)
    lock(root)
    return root


def append(path: str, text: str) -> Change:
    """Text at the end of a file, or a new file."""

    def change(root: Path) -> None:
        with (root / path).open("a") as stream:
            stream.write(text)

    return change


def replaced(path: str, old: str, new: str) -> Change:
    """A text of a file is another one."""

    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


def flow_key(text: str) -> Change:
    """A key of flow.toml, above the deployments; what has to be locked anew is."""

    def change(root: Path) -> None:
        (root / SETTINGS).write_text(text + FLOW_TOML)
        lock(root)

    return change


def daily(text: str) -> Change:
    """A key of the deployment."""
    return append(SETTINGS, text)


def target(text: str) -> Change:
    """A key of the target."""
    return replaced("registry.toml", "[targets.local]\n", f"[targets.local]\n{text}")


def relocked(change: Change) -> Change:
    """The change, and then every lock made fresh."""

    def both(root: Path) -> None:
        change(root)
        lock(root)

    return both


def link_to_another(root: Path) -> None:
    """The symbolic link leads to another file of the same content."""
    (root / "flows/hello/link").unlink()
    (root / "flows/hello/link").symlink_to("same.py")


def link_becomes_file(root: Path) -> None:
    """What the symbolic link led to lies there as a file."""
    (root / "flows/hello/link").unlink()
    shutil.copy(root / "flows/hello/helper.py", root / "flows/hello/link")


def linked_lock(root: Path) -> None:
    """The lock lies elsewhere, and a symbolic link leads there."""
    (root / "locks").mkdir()
    (root / LOCK).rename(root / "locks/common.lock")
    (root / LOCK).symlink_to("../../locks/common.lock")


def changed_linked_lock(root: Path) -> None:
    """And something in it has changed."""
    linked_lock(root)
    replaced("locks/common.lock", "attrs==1.0", "attrs==1.1")(root)


def touch(root: Path) -> None:
    """Every modification time is another one."""
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)


def rewrite_backwards(root: Path) -> None:
    """The same files, made in the opposite order."""
    for path in sorted((root / "flows/hello").iterdir(), reverse=True):
        if path.is_file() and not path.is_symlink():
            content, mode = path.read_bytes(), path.stat().st_mode
            path.unlink()
            path.write_bytes(content)
            path.chmod(mode)


def other_secret(root: Path) -> None:
    """The secret lies elsewhere."""
    write_files(root, {"second.txt": "first"})
    replaced("registry.local.toml", "secret.txt", "second.txt")(root)


def left_overs(*names: str) -> Change:
    """Files of these names wherever files are copied from."""
    folders = ("flows/hello", "flows/hello/data", "shared", "images/scripts")
    return lambda root: write_files(root, {f"{folder}/{name}": "x" for folder in folders for name in names})
