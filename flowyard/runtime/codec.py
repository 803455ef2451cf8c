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
from contextlib import suppress
from typing import Any

from flowyard.runtime.names import RESULT_FORMAT

MODULE = "flowyard.runtime.codec"
SHOWN_JSON = 65_536  # characters: a pickled value that is also shown as JSON may be this long
SHOWN_REPR = 2_000  # characters


class LostResult(Exception):
    """The flow completed, and what it returned cannot be kept."""


def dumps(value: Any) -> str:
    """One JSON document: `flowyard` (the format), `type`, and `json`, or `pickle` with what people are shown.

    Of a value that is neither, it says `lost`, and why: the flow has done its work, and nobody asked it for a
    value that can be kept.
    """
    document = _exact(value)
    if document is not None:
        return document
    import cloudpickle  # type: ignore[import-untyped]

    shown = {"flowyard": RESULT_FORMAT, **describe(value)}
    try:
        pickled = cloudpickle.dumps(value)
    except Exception as error:  # the value's own code may raise anything
        reason = f"{type(error).__name__}: {error}"
        _warn(f"the flow returned a {shown['type']}, which cannot be kept as its result: {reason}")
        return json.dumps({**shown, "lost": reason})
    return json.dumps({**shown, "pickle": base64.b64encode(pickled).decode("ascii")})


def loads(document: str | bytes) -> Any:
    """The value that `dumps` wrote. Unpickles, so only where the flow's own code may run.

    Raises LostResult for a value that could not be kept.
    """
    content = json.loads(document)
    if "lost" in content:
        raise LostResult(f"the flow returned a {content['type']}, which cannot be kept: {content['lost']}")
    if "pickle" in content:
        return pickle.loads(base64.b64decode(content["pickle"]))  # noqa: S301 - written by the flow itself
    return content["json"]


def describe(value: Any) -> dict[str, Any]:
    """The value for people: `{"type", "json"}` when it can be shown as JSON, else `{"type", "repr"}`."""
    kind = type(value)
    described = {"type": type_name(kind)}
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


def type_name(kind: type) -> str:
    """The qualified name of a type, as in `builtins.dict`."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _exact(value: Any) -> str | None:
    """The document of a value that JSON gives back exactly, else None."""
    document = {"flowyard": RESULT_FORMAT, "type": type_name(type(value)), "json": value}
    try:
        text = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return text if _is_plain(value) else None


def _warn(text: str) -> None:
    """A line in the log of the run, where there is one."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    with suppress(MissingContextError):
        get_run_logger().warning(text)


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
