"""A bucket as the storage of values: files by key, over the objects of the runtime part's own bucket storage."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from flowyard.runtime.storage import NotThere, StorageError, TooLarge, open_storage
from flowyard.runtime.storage import Storage as Objects
from flowyard.runtime.tasks.storage import PREFIX

_CHUNK = 1 << 20


class ObjectStorage:
    """Values as objects. What is old is removed by the bucket's own rules."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def scratch(self) -> Path:
        """As Storage.scratch."""
        return Path(tempfile.gettempdir())

    def put(self, key: str, source: Path) -> None:
        """As Storage.put."""
        with source.open("rb") as file, self._as_os_error():
            self._objects.put(f"{PREFIX}/{key}", iter(lambda: file.read(_CHUNK), b""))

    def write(self, key: str, data: bytes) -> None:
        """As Storage.write."""
        with self._as_os_error():
            self._objects.put(f"{PREFIX}/{key}", data)

    def read(self, key: str) -> bytes:
        """As Storage.read."""
        with self._as_os_error():
            return b"".join(self._objects.read(f"{PREFIX}/{key}"))

    def fetched(self, key: str) -> AbstractContextManager[Path]:
        """As Storage.fetched: a copy, for as long as it is read."""
        return self._copy(key)

    @contextmanager
    def _copy(self, key: str) -> Iterator[Path]:
        path = self.scratch() / f"flowyard-{uuid.uuid4().hex}"
        try:
            with path.open("wb") as file, self._as_os_error():
                file.writelines(self._objects.read(f"{PREFIX}/{key}"))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def has(self, key: str) -> bool:
        """As Storage.has, but that it keeps nothing from being removed."""
        try:
            with self._as_os_error():
                next(iter(self._objects.read(f"{PREFIX}/{key}", most=0)), None)
        except FileNotFoundError:
            return False
        except TooLarge:
            return True
        return True

    @contextmanager
    def _as_os_error(self) -> Iterator[None]:
        try:
            yield
        except TooLarge:
            raise
        except NotThere as error:
            raise FileNotFoundError(2, str(error)) from error
        except StorageError as error:
            raise OSError(5, str(error)) from error


def open_bucket(address: str) -> ObjectStorage:
    """The storage in a bucket."""
    return ObjectStorage(open_storage(address))
