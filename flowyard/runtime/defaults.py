"""A parameter's default, read back from its schema as a run would read it.

A default that comes back as something else is the quietest loss there is: the form shows a value, the run
gets another one, and nothing fails.
"""

from __future__ import annotations

import inspect
import reprlib
from typing import Any

from flowyard.runtime.annotations import annotation_text, strict_property
from flowyard.runtime.varying import Again

_UNTYPED = (Any, inspect.Parameter.empty)
_ALIKE: tuple[tuple[type, ...], ...] = (
    (bool, int, float),
    (list, tuple),
    (set, frozenset),
)
SECRET_ADVICE = "a secret has no place in a schema; use None and load it inside the flow, from a Secret block"
_ADVICE = "use None and make the value inside the flow"


class LossError(Exception):
    """What Prefect's schema does not say about one parameter, and what to write instead."""


def plain_default(default: Any) -> Any:
    """The default itself, out of a pydantic `Field(...)`; `Parameter.empty` when there is none."""
    from pydantic.fields import FieldInfo
    from pydantic_core import PydanticUndefined

    if not isinstance(default, FieldInfo):
        return default
    if default.default_factory is not None:
        return default  # neither Prefect's schema nor its call knows factories
    if default.default is PydanticUndefined or default.default is ...:
        return inspect.Parameter.empty
    return default.default


def check_default(annotation: Any, default: Any, found: dict[str, Any]) -> None:
    """Read the default back from the property `found` as Prefect reads a run's parameters. Raises LossError."""
    value = plain_default(default)
    if value is inspect.Parameter.empty:
        return
    given = found.get("default")
    if given is None and value is not None:  # left out, or a number that JSON does not have
        raise LossError(f"has the default {short(value)}, which has no JSON form: {_ADVICE}")
    if any(annotation is each for each in _UNTYPED):
        if not same(given, value, exact=True):
            raise LossError(
                f"would get {short(given)} for its default {short(value)}: annotate it with its type"
            )
        return
    expected = read(annotation, value)
    back = read(annotation, given)
    if not (same(back, value) or same(back, expected)):
        raise LossError(f"would get {short(back)} for its default {short(value)}: {_advice(annotation)}")


def check_constant(annotation: Any, again: Again) -> bool:
    """Whether the default is the same twice. Raises LossError when it depends on the time of the import."""
    if not _told_alike(annotation, again.first, again.second):
        return False
    if not _told_alike(annotation, again.first, again.later):
        first, later = short(plain_default(again.first)), short(plain_default(again.later))
        raise LossError(
            f"has a default that depends on the time of the import ({first} now, {later} at another time): {_ADVICE}"
        )
    return True


def _told_alike(annotation: Any, left: Any, right: Any) -> bool:
    """Whether both are the same value, or the same in a schema: not every object knows its equals."""
    if same(left, right):
        return True
    try:
        told = [strict_property(annotation, value).schema.get("default") for value in (left, right)]
    except Exception:
        return True
    return repr(told[0]) == repr(told[1])  # NaN is not equal to itself


def read(annotation: Any, value: Any) -> Any:
    """What the flow receives for `value`: Prefect validates defaults too, so a wrong one fails every run."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    adapter: TypeAdapter[Any]
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # models and dataclasses bring their own configuration and accept no other
        adapter = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value)
    except Exception as error:  # a validator of the user's may raise anything
        advice = "write `Optional[...]`" if value is None else "change the default or the annotation"
        raise LossError(
            f"has the default {short(value)}, which does not fit its annotation{_reason(error)}: {advice}"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, when it was not pydantic that found the value wrong."""
    from pydantic import ValidationError

    return "" if isinstance(error, ValidationError) else f" ({type(error).__name__}: {error})"


def _advice(annotation: Any) -> str:
    return SECRET_ADVICE if "Secret" in annotation_text(annotation) else _ADVICE


def same(left: Any, right: Any, *, exact: bool = False) -> bool:
    """Whether both are the same value and type; unless `exact`, a list may be a tuple and 1 be 1.0."""
    if type(left) is not type(right):
        alike: tuple[type, ...] | None = next((kinds for kinds in _ALIKE if type(left) in kinds), None)
        if exact or alike is None or type(right) not in alike:
            return False
        if alike == (list, tuple):
            left, right = list(left), list(right)
    try:
        return bool(left == right)
    except (TypeError, ValueError):  # arrays refuse to say
        return False


def short(value: Any) -> str:
    """The value for a message, cut to a length that fits a line."""
    text = reprlib.Repr()
    text.maxother = 80
    # Unlike repr(), it survives a __repr__ that raises.
    return text.repr_instance(value, 1)
