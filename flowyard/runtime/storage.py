"""Files by key in one place, a folder or a bucket: where results are kept, and values that are handed on.

Large ones are streamed, so that a value need not fit into memory twice. The library for a bucket is imported
when a bucket is used.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

BUCKETS = "s3://"


class StorageError(OSError):
    """A bucket could not be written or read; the text says which object, where and why."""


class NotThere(StorageError, FileNotFoundError):
    """There is nothing under this key."""


class Storage(Protocol):
    """Files by key below one address. Keys are relative paths, such as `values/4f1c`.

    A file appears whole or not at all, so whoever sees one can read it. Every method raises OSError when the
    storage fails, ValueError for a key that would leave it.
    """

    def scratch(self) -> Path:
        """The folder in which to write a file that is to be stored."""
        ...

    def put(self, key: str, source: bytes | Path) -> None:
        """Store bytes, or a file of the scratch folder, which may be moved away, in place of what was there."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes under a key. Raises FileNotFoundError."""
        ...

    def fetched(self, key: str) -> AbstractContextManager[Path]:
        """A file with the content of the key, to be read only. Raises FileNotFoundError."""
        ...

    def has(self, key: str) -> bool:
        """Whether the file is there and need not be put again to be kept as long as one that is new."""
        ...


def open_storage(address: str) -> Storage:
    """The storage at `file:///FOLDER` or `s3://BUCKET/PREFIX`. Raises ValueError for anything else."""
    if not is_bucket(address):
        return Folder(folder_of(address))
    from flowyard.runtime.bucket import Bucket

    bucket, _, prefix = address.removeprefix(BUCKETS).partition("/")
    return Bucket(bucket, prefix.strip("/"))


def is_bucket(address: str) -> bool:
    """Whether this is the address of a bucket, or of an object in one."""
    return address.startswith(BUCKETS)


def folder_of(address: str) -> Path:
    """The folder of a `file:///FOLDER` address. Raises ValueError for anything else."""
    parts = urlsplit(address)
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc or not path.startswith("/"):
        raise ValueError(
            f"{address} is no place for results: it has to be file:///FOLDER or s3://BUCKET/PREFIX"
        )
    return Path(path)


def checked(key: str) -> str:
    """The key, if it stays below its storage. Raises ValueError."""
    if PurePosixPath(key).as_posix() != key or key == "." or key.startswith("/") or ".." in key.split("/"):
        raise ValueError(f"{key!r} is no key of a storage: write a relative path, without `..`")
    return key


class Folder:
    """Files below one folder, which is made when the first one is written, such as a volume that both sides see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def scratch(self) -> Path:
        """As Storage.scratch: beside the files, so that storing one copies nothing."""
        return self._made("parts/part").parent

    def put(self, key: str, source: bytes | Path) -> None:
        """As Storage.put."""
        path = self._made(key)
        if isinstance(source, Path):
            source.replace(path)
            return
        part = path.with_name(f".{uuid.uuid4().hex}.part")  # beside it, so that it can take its place
        try:
            part.write_bytes(source)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def read(self, key: str) -> bytes:
        """As Storage.read."""
        return (self._folder / checked(key)).read_bytes()

    @contextmanager
    def fetched(self, key: str) -> Iterator[Path]:
        """As Storage.fetched: the file itself."""
        path = self._folder / checked(key)
        if not path.is_file():
            raise FileNotFoundError(2, "there is no file", str(path))
        yield path

    def has(self, key: str) -> bool:
        """As Storage.has: asking makes it as young as a new one."""
        try:
            os.utime(self._folder / checked(key))
        except FileNotFoundError:
            return False
        except PermissionError:  # another user's, as where the two sides are different users: it is there
            return True
        return True

    def _made(self, key: str) -> Path:
        path = self._folder / checked(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
