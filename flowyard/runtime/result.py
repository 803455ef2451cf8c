"""Prints a persisted result as one JSON document: `python -m flowyard.runtime.result KEY [SERIALIZER]`.

It runs in a container of the flow's own image, because only there may a pickled value be read; the host that
asks never unpickles anything. What our codec wrote is shown without importing Prefect.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowyard.runtime import codec
from flowyard.runtime.names import RESULT_FIELDS, RESULT_FORMAT, RESULTS_ENV


def main(arguments: Sequence[str]) -> int:
    """Print the result at a storage key. Returns the exit code: 0, 1 (no such result) or 2 (wrong use).

    The optional second argument is the serializer as the run's state holds it (`state.data.serializer`), in
    JSON; it is needed for results of flows that chose a serializer of their own.
    """
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m flowyard.runtime.result STORAGE_KEY [SERIALIZER]\n")
        return 2
    path = result_path(arguments[0], os.environ.get(RESULTS_ENV, ""))
    try:
        data = path.read_bytes()
    except OSError as error:
        sys.stderr.write(f"there is no result at {path}: {error.strerror}\n")
        return 1
    serializer = json.loads(arguments[1]) if len(arguments) == 2 else {"type": "pickle"}
    sys.stdout.write(json.dumps(read(data, serializer), sort_keys=True) + "\n")
    return 0


def result_path(key: str, results: str) -> Path:
    """Where the result lies: a key is absolute, or relative to the folder of `results` (`file:///...`)."""
    if key.startswith("/") or not results:
        return Path(key)
    from flowyard.runtime.storage import folder_of

    return folder_of(results) / key


def read(data: bytes, serializer: Mapping[str, Any]) -> dict[str, Any]:
    """A result for people: `type`, and `json` or `repr`. `serializer` as Prefect writes it, as in a state."""
    content = _json(data)
    if isinstance(content, dict) and content.get("flowyard") == RESULT_FORMAT:
        return {key: content[key] for key in RESULT_FIELDS if key in content}
    if isinstance(content, dict) and set(content) == {"metadata", "result"}:
        # Result and metadata in one file, as Prefect writes them without a place for metadata.
        return read(content["result"].encode(), content["metadata"]["serializer"])
    if serializer["type"] == "json" and b"__class__" not in data and b"__exc_type__" not in data:
        return {"type": codec.type_name(type(content)), "json": content}
    from prefect.serializers import Serializer

    return codec.describe(Serializer(**serializer).loads(data))


def _json(data: bytes) -> Any:
    """The decoded document, or None for data in any other format."""
    try:
        return json.loads(data)
    except ValueError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
