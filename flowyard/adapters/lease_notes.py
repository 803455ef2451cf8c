"""Notes of held leases as locked files: the kernel drops the lock when the process dies, however it dies.

A lock and no process number, because numbers are used again and mean something else in a container. Notes are
help, not truth: where none can be written, a dead holder's lease is free when it expires.
"""

from __future__ import annotations

import fcntl
import os
import platform
from contextlib import suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class FileNotes:
    """The LeaseNotes of one target in a folder, one file per lease."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def keep(self, lease: str) -> None:
        """As LeaseNotes.keep."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._folder / f".{lease}"
            held = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(held, machine().encode())
                unfinished.rename(self._folder / lease)  # nobody sees the file before it is locked
            except OSError:
                os.close(held)
                raise
            self._held[lease] = held

    def drop(self, lease: str) -> None:
        """As LeaseNotes.drop."""
        with suppress(OSError):
            (self._folder / lease).unlink(missing_ok=True)
        held = self._held.pop(lease, None)
        if held is not None:
            os.close(held)

    def dead(self) -> tuple[str, ...]:
        """As LeaseNotes.dead."""
        try:
            files = sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
        except OSError:
            return ()
        return tuple(path.name for path in files if path.name not in self._held and _is_dead(path))


def machine() -> str:
    """This machine since it was started; locks are not seen from another one that shares the folder."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return platform.node()


def _is_dead(path: Path) -> bool:
    try:
        found = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if os.read(found, 256).decode("utf-8", "replace") != machine():
            return False
        fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)  # and two who look at once see the same
    except OSError:
        return False
    finally:
        os.close(found)
    return True
