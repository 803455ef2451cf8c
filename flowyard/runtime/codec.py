"""How a flow's return value is written: as JSON when that loses nothing, else pickled beside its description.

Prefect's JSON serializer lets a module take the place of `json`; this is that module, so a record says it is
JSON, any Prefect can read its metadata, and the value can be shown without unpickling anything.
"""

from __future__ import annotations

import base64
import json
import math
import pickle
import reprlib
from typing import Any

MODULE = "flowyard.runtime.codec"
SHOWN_JSON = (
    65_536  # characters: a pickled value that is also shown as JSON may be this long
)
SHOWN_REPR = 2_000  # characters


def dumps(value: Any) -> str:
    """One JSON document: `type`, and `json`, or `pickle` with what people are shown (`json` or `repr`).

    Raises what pickling raises (PicklingError, TypeError, ...) for a value that is neither.
    """
    document = _exact(value)
    if document is not None:
        return document
    import cloudpickle  # type: ignore[import-untyped]

    pickled = base64.b64encode(cloudpickle.dumps(value)).decode("ascii")
    return json.dumps({**describe(value), "pickle": pickled})


def loads(document: str | bytes) -> Any:
    """The value that `dumps` wrote. Unpickles, so only where the flow's own code may run."""
    content = json.loads(document)
    if "pickle" in content:
        return pickle.loads(base64.b64decode(content["pickle"]))
    return content["json"]


def describe(value: Any) -> dict[str, Any]:
    """The value for people: `{"type", "json"}` when it can be shown as JSON, else `{"type", "repr"}`."""
    kind = type(value)
    described = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    if not isinstance(value, BaseException):
        try:
            shown = to_jsonable_python(value)
            if len(json.dumps(shown, allow_nan=False)) <= SHOWN_JSON:
                return {**described, "json": shown}
        except (PydanticSerializationError, TypeError, ValueError, RecursionError):
            pass  # shown as text
    text = reprlib.Repr()
    text.maxother = SHOWN_REPR
    # Unlike repr(), it survives a __repr__ that raises.
    return {**described, "repr": text.repr_instance(value, 1)}


def _exact(value: Any) -> str | None:
    """The document of a value that JSON gives back exactly, else None."""
    kind = type(value)
    try:
        document = json.dumps(
            {"type": f"{kind.__module__}.{kind.__qualname__}", "json": value},
            allow_nan=False,
        )
    except (TypeError, ValueError, RecursionError):
        return None
    return document if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    """Whether JSON keeps the exact types: no tuples, subclasses or keys that are not text."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    if kind is list:
        return all(_is_plain(each) for each in value)
    if kind is float:
        return math.isfinite(value)
    return value is None or kind in (str, int, bool)
