"""JSON documents for programs: their versions, how they are written, and how an error stands in them.

In one place, so that a version means the same whichever command wrote it. It is raised when something that a
program may rely on is renamed, goes away or changes its form, and not when something is added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from flowyard.errors import FlowyardError
from flowyard.values import Json

VERSION = 1  # what `--json` prints, and what is left for later jobs of a CI
PAGE_VERSION = 2  # what is in a report page


def dumped(content: Mapping[str, Json]) -> str:
    """The document of this content, as it is printed."""
    return json.dumps({"version": VERSION, **content}, indent=2)


def error_entry(error: FlowyardError | None) -> dict[str, Json] | None:
    """An error as it stands in a document, None for none."""
    if error is None:
        return None
    return {
        "type": type(error).__name__,
        "message": error.message,
        "notes": list(getattr(error, "__notes__", ())),
        "hint": error.hint,
        "log": str(error.log) if error.log else None,
    }
