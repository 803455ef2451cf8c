"""Where values lie on their way between two images: the target's result storage, below one prefix of it.

Keys are relative paths. A file appears whole or not at all, so whoever sees one can read it.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from flowyard.runtime.tasks.errors import StorageFailed

PREFIX = "docker-tasks"
RESULTS = "FLOWYARD_RESULTS"
KEPT_DAYS = "FLOWYARD_DOCKER_TASKS_KEPT_DAYS"
_SWEPT = ".swept"  # its time is when files were last removed by age
_SWEEP_EVERY = 3600.0  # seconds
_DAY = 86400.0


class Storage(Protocol):
    """Files by key. Every method raises OSError when the storage fails."""

    def scratch(self) -> Path:
        """The folder in which to write a file that is to be stored."""
        ...

    def put(self, key: str, source: Path) -> None:
        """Store a file of the scratch folder, which may be moved away."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Store some bytes, in place of what was there."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes under a key. Raises FileNotFoundError."""
        ...

    def fetched(self, key: str) -> AbstractContextManager[Path]:
        """A file with the content of the key, to be read only. Raises FileNotFoundError."""
        ...

    def has(self, key: str) -> bool:
        """Whether there is a file under the key; asking keeps it from being removed by age for now."""
        ...


class FolderStorage:
    """A folder that both sides see, such as a volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / PREFIX

    def scratch(self) -> Path:
        """As Storage.scratch: beside the values, so that storing one copies nothing."""
        return self._made("parts/.").parent

    def put(self, key: str, source: Path) -> None:
        """As Storage.put."""
        source.replace(self._made(key))

    def write(self, key: str, data: bytes) -> None:
        """As Storage.write."""
        path = self._made(key)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def read(self, key: str) -> bytes:
        """As Storage.read."""
        return (self._folder / key).read_bytes()

    @contextmanager
    def fetched(self, key: str) -> Iterator[Path]:
        """As Storage.fetched: the file itself."""
        path = self._folder / key
        if not path.is_file():
            raise FileNotFoundError(2, "there is no file", str(path))
        yield path

    def has(self, key: str) -> bool:
        """As Storage.has."""
        path = self._folder / key
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def sweep(self, days: float, now: float) -> int:
        """Remove files that are older than so many days; how many. At most once an hour, whoever asks."""
        mark = self._folder / _SWEPT
        try:
            if now - mark.stat().st_mtime < _SWEEP_EVERY:
                return 0
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.utime(mark, (now, now))
        old = [path for path in self._folder.rglob("*") if path.is_file() and path != mark]
        removed = 0
        for path in old:
            try:
                if now - path.stat().st_mtime > days * _DAY:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:  # another run sweeps as well
                continue
        return removed

    def _made(self, key: str) -> Path:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def open_storage(environ: Mapping[str, str]) -> Storage:
    """The storage of this environment. Raises StorageFailed where there is none."""
    from flowyard.runtime.storage import folder_of, is_bucket

    address = environ.get(RESULTS, "")
    if is_bucket(address):
        from flowyard.runtime.tasks.bucket import open_bucket

        return open_bucket(address)
    try:
        return FolderStorage(folder_of(address))
    except ValueError as error:
        raise StorageFailed(
            f"Docker tasks need a result storage and {RESULTS} is {address or 'not set'}: "
            "say `results` in the target of registry.toml, and ship again"
        ) from error


def sweep(environ: Mapping[str, str]) -> None:
    """Remove what is too old to be of use, where that is not the storage's own business."""
    days = float(environ.get(KEPT_DAYS) or 7)
    try:
        storage = open_storage(environ)
        if isinstance(storage, FolderStorage):
            storage.sweep(days, time.time())
    except (OSError, StorageFailed):  # a later run will
        return
