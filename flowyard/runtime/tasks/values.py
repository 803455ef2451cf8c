"""Values on their way: JSON as it is, everything else as files whose names are their content's hash.

Equal content has one file, so a retried call stores nothing twice, and what was read is what was written.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks import frames
from flowyard.runtime.tasks.settings import number
from flowyard.runtime.tasks.trees import MARK, Decoder, Encoder, NotSerialisable, is_plain

INLINE = 100_000  # bytes of JSON that travel with the call itself; Prefect takes 512 KB in all
LIMIT = 5 << 30  # bytes of one value
LIMIT_ENV = "FLOWYARD_DOCKER_TASKS_LIMIT"
_CHUNK = 1 << 20
_REFERENCE = "reference"
_PICKLE = "pickle"  # of a reference: there is something in it that only unpickling gives back


class TooLarge(frames.CannotWrite):
    """A value beyond the limit."""


class Values:
    """Writes and reads values in a storage."""

    def __init__(self, storage: Storage, limit: int = LIMIT) -> None:
        self._storage = storage
        self._limit = limit

    def tree(self, value: Any, where: str, *, pickle: bool = False) -> Any:
        """The value as JSON, its large parts stored. Raises NotSerialisable, OSError."""
        return Encoder(self._store, pickle=pickle).encode(value, where)

    def argument(self, value: Any, where: str, room: int, *, pickle: bool = False) -> Any:
        """What stands for an argument in the call: itself when it is plain and fits in `room` bytes of JSON.

        Raises NotSerialisable, OSError.
        """
        if is_plain(value) and size_of(value) <= room:
            return value
        return self._referred(self.tree(value, where, pickle=pickle), value, where)

    def measured(self, document: bytes, tree: Any, where: str) -> int:
        """The bytes of a value whose tree is in this document, with all its parts. Raises NotSerialisable."""
        size: int = len(document) + sum(part["size"] for part in _parts(tree))
        if size > self._limit:
            raise NotSerialisable(where, f"cannot be written: {self._too_large(size)}")
        return size

    def value(self, tree: Any, *, loose: bool = False, pickle: bool = False) -> Any:
        """The value of a tree. Raises frames.CannotRead, OSError."""
        return Decoder(self._fetch if pickle else self._fetch_unpickled, loose=loose).decode(tree)

    def brought_in(self, argument: Any) -> Any:
        """The value that an argument of a call stands for. Raises frames.CannotRead, OSError."""
        if not is_reference(argument):
            return argument
        document = self._storage.read(argument["key"])
        if hashlib.sha256(document).hexdigest() != argument["sha256"]:
            raise frames.CannotRead("is not what was written: its file in the result storage was changed")
        return self.value(json.loads(document), loose=True, pickle=argument.get(_PICKLE) is True)

    def _referred(self, tree: Any, value: Any, where: str) -> Mapping[str, Any]:
        document = json.dumps(tree, sort_keys=True).encode()
        size = self.measured(document, tree, where)
        digest = hashlib.sha256(document).hexdigest()
        key = f"values/{digest}.json"
        if not self._storage.has(key):
            self._storage.put(key, document)
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        # Only a caller that allows pickling writes it: so the call itself says whether it may be read.
        allowed = {_PICKLE: True} if any(part["format"] == frames.PICKLE for part in _parts(tree)) else {}
        return {MARK: _REFERENCE, "type": kind, "size": size, "sha256": digest, "key": key, **allowed}

    def _store(self, form: str, value: Any) -> Mapping[str, Any]:
        path = self._storage.scratch() / f".{uuid.uuid4().hex}.part"
        try:
            frames.write(form, value, path)
            size = path.stat().st_size
            if size > self._limit:
                raise TooLarge(self._too_large(size))
            digest = sha256_of(path)
            key = f"values/{digest}"
            if not self._storage.has(key):
                self._storage.put(key, path)
        finally:
            path.unlink(missing_ok=True)
        return {"size": size, "sha256": digest, "key": key}

    def _too_large(self, size: int) -> str:
        return f"it is {size} bytes, and {self._limit} are allowed ({LIMIT_ENV})"

    def _fetch_unpickled(self, node: Mapping[str, Any]) -> Any:
        if node["format"] == frames.PICKLE:
            raise frames.CannotRead(
                "was pickled, and its caller does not allow that: call with .with_options(pickle=True)"
            )
        return self._fetch(node)

    def _fetch(self, node: Mapping[str, Any]) -> Any:
        with self._storage.fetched(node["key"]) as path:
            if sha256_of(path) != node["sha256"]:
                raise frames.CannotRead("is not what was written: its file in the result storage was changed")
            return frames.read(node["format"], path)


def values_of(storage: Storage, environ: Mapping[str, str]) -> Values:
    """Values in this storage, as large as this environment allows. Raises BadSetting."""
    return Values(storage, int(number(environ, LIMIT_ENV, LIMIT)))


def size_of(argument: Any) -> int:
    """Bytes that an argument takes in the call itself."""
    return len(json.dumps(argument))


def is_reference(argument: Any) -> bool:
    """Whether an argument of a call stands for a stored value."""
    return isinstance(argument, dict) and argument.get(MARK) == _REFERENCE


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """A hash of a call's arguments: of their content, wherever it lies."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """The hash of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _parts(tree: Any) -> list[Mapping[str, Any]]:
    if isinstance(tree, list):
        return [part for each in tree for part in _parts(each)]
    if isinstance(tree, dict):
        if tree.get(MARK) == "part":
            return [tree]
        return [part for each in tree.values() for part in _parts(each)]
    return []
