"""Prints a persisted result as one JSON document: `python -m flowyard.runtime.result <storage key>`.

It runs in a container of the flow's own image, because only there may a pickled value be read; the host that
asks never unpickles anything. A record our codec wrote is shown without importing Prefect.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from flowyard.runtime import codec


def main(arguments: Sequence[str]) -> int:
    """Print the record at the one storage key in `arguments`. Returns the exit code: 0, 1 or 2."""
    if len(arguments) != 1:
        print("usage: python -m flowyard.runtime.result STORAGE_KEY", file=sys.stderr)
        return 2
    path = record_path(arguments[0], os.environ.get("FLOWYARD_RESULTS", ""))
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        print(f"there is no result at {path}: {error.strerror}", file=sys.stderr)
        return 1
    print(json.dumps(read(data), sort_keys=True))
    return 0


def record_path(key: str, results: str) -> str:
    """Where the record lies: a key is absolute, or relative to the folder of `results` (`file:///...`)."""
    if os.path.isabs(key) or not results:
        return key
    from flowyard.runtime.flows import results_folder

    return os.path.join(results_folder(results), key)


def read(data: bytes) -> dict[str, Any]:
    """A record's value for people: `type`, and `json` or `repr`. Imports Prefect only for foreign serializers."""
    record = json.loads(data)
    if record["metadata"]["serializer"].get("jsonlib") == codec.MODULE:
        document: dict[str, Any] = json.loads(record["result"])
        document.pop("pickle", None)
        return document
    from prefect.results import ResultRecord  # type: ignore[attr-defined,unused-ignore]

    foreign: ResultRecord[Any] = ResultRecord.deserialize(data)
    return codec.describe(foreign.result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
