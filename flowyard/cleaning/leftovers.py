"""Files in the state folder that no command reads any more: of flows that are gone, of commands that were killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from flowyard.building.timeline import steps_file
from flowyard.state_folder import BUILD_LOGS, CONTEXTS, RENDERED, build_log


def leftovers(folder: Path, flows: Collection[str], alive: Callable[[int], bool]) -> tuple[Path, ...]:
    """Logs of flows that are no more, build contexts of commands that have ended, and every Dockerfile that was
    rendered: which of those are of today cannot be told, and the next command renders what it needs again.

    `alive` says whether a command with this process id runs.
    """
    kept = {build_log(folder, flow) for flow in flows}
    kept |= {steps_file(log) for log in kept}
    logs = (path for path in _inside(folder / BUILD_LOGS) if path not in kept)
    contexts = (
        path for path in _inside(folder / CONTEXTS) if path.name.isdecimal() and not alive(int(path.name))
    )
    return (*logs, *contexts, *_inside(folder / RENDERED))


def size_of(path: Path) -> int:
    """The bytes that a file, or a folder with all that is in it, takes of its disk."""
    with suppress(OSError):  # somebody else removed it
        own = path.lstat().st_blocks * 512
        return own + sum(size_of(inner) for inner in _inside(path))
    return 0


def remove(path: Path) -> bool:
    """Remove a file or a folder, if it is there; False where that is not allowed, or not wholly."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return not os.path.lexists(path)


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        yield from sorted(folder.iterdir())
