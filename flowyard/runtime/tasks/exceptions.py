"""An exception on its way from one image to another: its type, what it holds, and its traceback as text.

It is made again without calling its `__init__`, whose arguments nobody knows, and without unpickling anything.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from flowyard.runtime.tasks.trees import find_type, is_plain, type_path

_TRACEBACK = 20_000  # characters of its end


def described(error: BaseException) -> dict[str, Any]:
    """The exception as JSON."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "type": type_path(type(error)),
        "message": _text(error),
        "arguments": [each if is_plain(each) else _text(each) for each in error.args],
        "fields": {name: each for name, each in vars(error).items() if is_plain(each)},
        "traceback": text[-_TRACEBACK:],
    }


def revived(document: Mapping[str, Any]) -> Exception | None:
    """The exception itself, where its type can be imported here and it says what it said; else None."""
    try:
        kind = find_type(document["type"])
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            return None
        error: Exception = kind.__new__(kind, *document["arguments"])
        error.args = tuple(document["arguments"])
        vars(error).update({name: each for name, each in document["fields"].items() if name != "__notes__"})
        return error if str(error) == document["message"] else None
    except Exception:  # whatever importing a module or making an object of a foreign class raises
        return None


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # a __str__ of the user's own
        return f"<{type(value).__qualname__}: its text cannot be had: {type(error).__name__}>"
