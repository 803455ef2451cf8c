"""What the file of a result says of it, without loading it: nothing that a flow wrote is unpickled here.

The image's runtime part writes a document that is read whole or, where it holds a large pickled value behind what
people are shown, by its beginning. Of a result in another format it is told what that is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from flowyard.runtime.names import RESULT_FIELDS, RESULT_FORMAT
from flowyard.values import Json, ResultPlace

MOST = 8 << 20  # bytes; of a result that is larger only the beginning is read
BEGINNING = 256 << 10  # bytes: more than codec.py lets what people are shown take up
_PICKLE = re.compile(r', "pickle": "')
_TYPE = re.compile(rf'\{{"flowyard": {RESULT_FORMAT}, "type": "([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result as it was written: its beginning, its whole size in bytes, and its address for messages."""

    data: bytes
    size: int
    address: str


def describe_result(file: ResultFile, place: ResultPlace) -> Json:
    """`{"type", "json"}`, or `{"type", "repr"}` for what is not JSON, is too large or in another format."""
    if len(file.data) < file.size:
        return _beginning(file) or _only_told(file, "is too large to be shown")
    return _whole(file.data, json.loads(place.serializer), file)


def _whole(data: bytes, serializer: Json, file: ResultFile) -> Json:
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if isinstance(content, dict) and content.get("flowyard") == RESULT_FORMAT:
        return {name: content[name] for name in RESULT_FIELDS if name in content}
    if isinstance(content, dict) and set(content) == {"metadata", "result"}:
        # Result and metadata in one file, as Prefect writes them without a place for metadata.
        return _whole(str(content["result"]).encode(), content["metadata"].get("serializer"), file)
    kind = str((serializer or {}).get("type") or "unknown")
    if kind == "json" and b"__class__" not in data and b"__exc_type__" not in data:
        return {"type": f"builtins.{type(content).__name__}", "json": content}
    return _only_told(file, f"was written with serializer {kind!r}, which is not loaded on this machine")


def _beginning(file: ResultFile) -> Json:
    """A document of ours up to its pickled value, which stands last. None where this is none."""
    text = file.data.decode("ascii", errors="replace")
    for found in _PICKLE.finditer(text):
        try:
            content = json.loads(f"{text[: found.start()]}}}")
        except ValueError:  # the words are part of a value
            continue
        if content.get("flowyard") == RESULT_FORMAT:
            return {name: content[name] for name in RESULT_FIELDS if name in content}
    return None


def _only_told(file: ResultFile, why: str) -> Json:
    kind = _TYPE.match(file.data[:1000].decode("ascii", errors="replace"))
    text = f"(the result {why}: {file.size} bytes at {file.address})"
    return {"type": kind[1] if kind else "unknown", "repr": text}
