"""A flow's parameters as Prefect's schema tells them, held against what the code says.

Prefect turns what it cannot express into "anything" without a word. Here every parameter's schema is built a
second time, strictly, and compared; what differs is an error, because the schema is all that anyone who
triggers the flow will ever see.
"""

from __future__ import annotations

import inspect
import reprlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowyard.runtime.annotations import (
    UnresolvedError,
    annotation_text,
    evaluate,
    reference_types,
    strip_optional,
)
from flowyard.runtime.failures import CheckError

if TYPE_CHECKING:
    from prefect import Flow

_BESIDE = frozenset(("title", "description", "default", "position"))
_UNTYPED = (Any, inspect.Parameter.empty)


@dataclass(frozen=True)
class Parameters:
    """The parameter schema to register, and the types in it that only travel by reference."""

    schema: dict[str, Any]
    types: list[str]


def describe_parameters(flow: Flow[..., Any], file: str) -> Parameters:
    """Prefect's parameter schema of `flow`, marked where a type has no JSON Schema.

    Raises CheckError (lossy-parameter) naming every parameter the schema would misrepresent.
    """
    from prefect.utilities.callables import parameter_schema

    with warnings.catch_warnings():
        # Pydantic warns about a default it leaves out; that is found and named below.
        warnings.simplefilter("ignore")
        schema = parameter_schema(flow.fn).model_dump(mode="json", exclude_unset=True)
        losses: list[str] = []
        types: list[str] = []
        for parameter in inspect.signature(flow.fn).parameters.values():
            if parameter.name in ("self", "cls"):
                continue  # bound by Python, not given by the run
            try:
                types += _check(parameter, schema, flow.fn)
            except _LossError as loss:
                losses.append(f"parameter {parameter.name!r}{_written(parameter)} {loss}")
    if losses:
        raise CheckError(
            "lossy-parameter",
            f"flow {flow.name!r} in {file}: {'; '.join(losses)}",
            file=file,
            hint="What a run can be given is known from the schema alone, so nothing may be missing there.",
        )
    return Parameters(schema, sorted(set(types)))


class _LossError(Exception):
    """What Prefect's schema does not say about one parameter, and what to write instead."""


def _written(parameter: inspect.Parameter) -> str:
    if parameter.annotation is inspect.Parameter.empty:
        return ""
    return f" ({annotation_text(parameter.annotation)})"


def _check(parameter: inspect.Parameter, schema: dict[str, Any], function: Callable[..., Any]) -> list[str]:
    """The by-reference types of one parameter, after marking its property. Raises _LossError."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise _LossError("collects any number of arguments, which a run cannot be given: name each parameter")
    try:
        annotation = evaluate(parameter.annotation, function)
    except UnresolvedError as unresolved:
        raise _LossError(
            f"has an annotation that cannot be evaluated ({unresolved}): import its names at module level, "
            "outside `if TYPE_CHECKING:`"
        ) from unresolved
    found = schema.get("properties", {}).get(parameter.name)
    if found is None:
        raise _LossError("is missing from Prefect's schema: rename it")
    _check_required(parameter, schema)
    types = reference_types(annotation)
    if types:
        _check_reference(parameter, annotation, types)
        found["x-flowyard-type"] = annotation_text(strip_optional(annotation))
        return [annotation_text(each) for each in types]
    _check_type(annotation, parameter.default, found, schema.get("definitions", {}))
    _check_default(annotation, parameter.default, found)
    return []


def _check_required(parameter: inspect.Parameter, schema: dict[str, Any]) -> None:
    required = parameter.name in schema.get("required", ())
    if required == (_default(parameter.default) is inspect.Parameter.empty):
        return
    if required:
        raise _LossError("has a default that Prefect's schema drops: give the value itself, not a factory")
    raise _LossError("has no default, yet Prefect's schema does not require it: rename it")


def _check_reference(parameter: inspect.Parameter, annotation: Any, types: list[Any]) -> None:
    names = ", ".join(annotation_text(each) for each in types)
    if any(each.__module__.startswith("pydantic.v1") for each in _bases(types)):
        raise _LossError(f"uses a model of pydantic 1 ({names}): make it a model of pydantic 2")
    value = _default(parameter.default)
    if value is inspect.Parameter.empty:
        return
    if value is not None:
        raise _LossError(
            f"has a default, but {names} has no JSON form: use None and make the value inside the flow"
        )
    _read(annotation, None)


def _bases(types: list[Any]) -> list[type]:
    return [base for each in types for base in getattr(each, "__mro__", ())]


def _check_type(annotation: Any, default: Any, found: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Compare Prefect's property with the one pydantic makes of the same annotation and default."""
    from flowyard.runtime.annotations import strict_property

    strict = strict_property(annotation, default)
    for key in sorted(set(strict.schema) | set(found)):
        if key in _BESIDE:
            continue
        ours = _inline(strict.schema.get(key), strict.definitions, ())
        theirs = _inline(found.get(key), definitions, ())
        if ours != theirs and not _is_extra(key, default):
            raise _LossError(
                f"would lose {key!r} ({_short(ours)}) in Prefect's schema: write "
                "the constraint into the annotation, as in `Annotated[int, Field(ge=1)] = 3`"
            )


def _is_extra(key: str, default: Any) -> bool:
    """Whether the user put this key into the schema by hand."""
    extra = getattr(default, "json_schema_extra", None)
    return isinstance(extra, dict) and key in extra


def _inline(schema: Any, definitions: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """`schema` with its references replaced by what they mean: names of definitions may differ."""
    if isinstance(schema, list):
        return [_inline(each, definitions, inside) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name in inside:
            return {"$ref": len(inside) - inside.index(name)}
        return _inline(definitions.get(name), definitions, (*inside, name))
    return {key: _inline(value, definitions, inside) for key, value in schema.items()}


def _default(default: Any) -> Any:
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


def _check_default(annotation: Any, default: Any, found: dict[str, Any]) -> None:
    """Read the default back from the schema as Prefect reads a run's parameters."""
    value = _default(default)
    if value is inspect.Parameter.empty:
        return
    given = found.get("default")
    if given is None and value is not None:  # left out, or a number that JSON does not have
        raise _LossError(f"has the default {_short(value)}, which has no JSON form: {_advice(annotation)}")
    if any(annotation is each for each in _UNTYPED):
        if not same(given, value, exact=True):
            raise _LossError(
                f"would get {_short(given)} for its default {_short(value)}: annotate it with its type"
            )
        return
    read, expected = _read(annotation, given), _read(annotation, value)
    if not (same(read, value) or same(read, expected)):
        raise _LossError(f"would get {_short(read)} for its default {_short(value)}: {_advice(annotation)}")


def _read(annotation: Any, value: Any) -> Any:
    """What the flow receives for `value`: Prefect validates defaults too, so a wrong one fails every run."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    adapter: TypeAdapter[Any]
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # models and dataclasses bring their own configuration and accept no other
        adapter = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        advice = "write `Optional[...]`" if value is None else "change the default or the annotation"
        raise _LossError(
            f"has the default {_short(value)}, which does not fit its annotation: {advice}"
        ) from error


def _advice(annotation: Any) -> str:
    if "Secret" in annotation_text(annotation):
        return "a secret has no place in a schema; use None and load it inside the flow, from a Secret block"
    return "use None and make the value inside the flow"


_ALIKE: tuple[tuple[type, ...], ...] = (
    (bool, int, float),
    (list, tuple),
    (set, frozenset),
)


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


def _short(value: Any) -> str:
    text = reprlib.Repr()
    text.maxother = 80
    # Unlike repr(), it survives a __repr__ that raises.
    return text.repr_instance(value, 1)
