"""Objects by key in one place, a folder or a bucket: where results are kept, and values that are handed on.

Everything is streamed and hashed on the way, so that a value need not fit into memory twice and whoever reads
it can tell that it is what was written. The library for a bucket is imported when a bucket is used.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

BUCKETS = "s3://"
CHUNK = 1 << 20  # bytes
Data = bytes | Iterable[bytes]


class StorageError(Exception):
    """An object could not be written or read; the text says which, where and why."""


class NotThere(StorageError):
    """There is no object under this key."""


class TooLarge(StorageError):
    """The object is larger than whoever asks is willing to read."""


@dataclass(frozen=True)
class Stored:
    """What was written: its size in bytes, and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


class Storage(Protocol):
    """Objects by key below one address. Keys are relative paths, such as `values/4f1c`."""

    @property
    def address(self) -> str:
        """Where it is, such as `s3://acme-results/flows`, without a slash at its end."""
        ...

    def put(self, key: str, data: Data) -> Stored:
        """Write an object whole or not at all, in place of one that is there. Raises StorageError."""
        ...

    def read(self, key: str, most: int | None = None) -> Iterator[bytes]:
        """The object in parts. Raises NotThere, TooLarge beyond `most` bytes, and StorageError.

        An object that is too large is told of before its first part.
        """
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


class Hashing:
    """Passes data on, and knows afterwards what went through."""

    def __init__(self, data: Data) -> None:
        self._parts = (data,) if isinstance(data, bytes) else data
        self._digest = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._digest.update(part)
            self._size += len(part)
            yield part

    @property
    def stored(self) -> Stored:
        """All that has passed."""
        return Stored(self._size, self._digest.hexdigest())


class Folder:
    """Objects as files below one folder, which is made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """As Storage.address."""
        return self._folder.as_uri()

    def put(self, key: str, data: Data) -> Stored:
        """As Storage.put."""
        path = self._folder / checked(key)
        temporary = path.with_name(f".{uuid.uuid4().hex}")  # beside it, so that it can take its place
        passing = Hashing(data)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as stream:
                stream.writelines(passing)
            temporary.replace(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return passing.stored

    def read(self, key: str, most: int | None = None) -> Iterator[bytes]:
        """As Storage.read."""
        path = self._folder / checked(key)
        try:
            with path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if most is not None and size > most:
                    raise TooLarge(f"{path} has {size} bytes, more than {most}")
                yield from _parts(stream)
        except FileNotFoundError as error:
            raise NotThere(f"{path} is not there") from error
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    while part := stream.read(CHUNK):
        yield part
