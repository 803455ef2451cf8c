"""A flow's parameters as Prefect's schema tells them, held against what the code says.

Prefect turns what it cannot express into "anything" without a word. Here every parameter's schema is built a
second time, strictly, and compared; what differs is an error, because the schema is all that anyone who
triggers the flow will ever see.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowyard.runtime.annotations import (
    Property,
    UnresolvedError,
    annotation_text,
    evaluate,
    reference_types,
    strict_property,
    strip_optional,
    values_without_json,
)
from flowyard.runtime.defaults import (
    SECRET_ADVICE,
    LossError,
    check_constant,
    check_default,
    plain_default,
    read,
    short,
)
from flowyard.runtime.failures import CheckError
from flowyard.runtime.schemas import fields_with_secrets, holds_secret, impossible_keys, inline, is_json
from flowyard.runtime.source import parameter_places
from flowyard.runtime.varying import Again, evaluated_again

if TYPE_CHECKING:
    from prefect import Flow

_BESIDE = frozenset(("title", "description", "default", "position"))


@dataclass(frozen=True)
class Parameters:
    """The parameter schema to register, and the types in it that only travel by reference.

    `doubtful` are parameters whose default looks like another one at every import, each as a message names it.
    """

    schema: dict[str, Any]
    types: list[str]
    doubtful: dict[str, str]


def describe_parameters(flow: Flow[..., Any], file: str) -> Parameters:
    """Prefect's parameter schema of `flow`, with what it leaves out: notes on a type, types without a schema.

    Raises CheckError (lossy-parameter) naming every parameter the schema would misrepresent.
    """
    from prefect.utilities.callables import parameter_schema

    losses: list[str] = []
    types: list[str] = []
    doubtful: dict[str, str] = {}
    places = parameter_places(flow.fn, file)
    again = evaluated_again(flow.fn)
    with warnings.catch_warnings():
        # Pydantic warns about a default it leaves out; that is found and named below.
        warnings.simplefilter("ignore")
        schema = parameter_schema(flow.fn).model_dump(mode="json", exclude_unset=True)
        for parameter in inspect.signature(flow.fn).parameters.values():
            if parameter.name in ("self", "cls"):
                continue  # bound by Python, not given by the run
            shown = _shown(parameter, places)
            try:
                if _is_doubtful(parameter, flow.fn, again.get(parameter.name)):
                    doubtful[parameter.name] = shown
                types += _check(parameter, schema, flow.fn)
            except LossError as loss:
                losses.append(f"{shown} {loss}")
    if losses:
        raise CheckError(
            "lossy-parameter",
            f"flow {flow.name!r} in {file}: {'; '.join(losses)}",
            file=file,
            hint="What a run can be given is known from the schema alone, so nothing may be missing there.",
        )
    return Parameters(schema, sorted(set(types)), doubtful)


def _shown(parameter: inspect.Parameter, places: Mapping[str, str]) -> str:
    """`parameter 'day' (int) on line 3`."""
    written = ""
    if parameter.annotation is not inspect.Parameter.empty:
        written = f"({annotation_text(parameter.annotation)})"
    words = ["parameter", repr(parameter.name), written, places.get(parameter.name, "")]
    return " ".join(filter(None, words))


def _is_doubtful(parameter: inspect.Parameter, function: Callable[..., Any], again: Again | None) -> bool:
    return again is not None and not check_constant(_annotation(parameter, function), again)


def _check(parameter: inspect.Parameter, schema: dict[str, Any], function: Callable[..., Any]) -> list[str]:
    """The by-reference types of one parameter, after completing its property. Raises LossError."""
    annotation = _annotation(parameter, function)
    found = schema.get("properties", {}).get(parameter.name)
    if found is None:
        raise LossError("is missing from Prefect's schema: rename it, or write its type without `Final`")
    _check_required(parameter, schema)
    definitions = schema.get("definitions", {})
    _check_secrets(found, definitions)
    if impossible_keys(found, definitions):
        raise LossError(
            "takes a mapping whose keys are never text, as all keys in JSON are: use a StrEnum or str"
        )
    types = reference_types(annotation)
    if types:
        _check_reference(parameter, annotation, types, found)
        found["x-flowyard-type"] = annotation_text(strip_optional(annotation))
        return [annotation_text(each) for each in types]
    strict = strict_property(annotation, parameter.default)
    _check_type(strict, parameter.default, found, definitions)
    _check_values(annotation)
    check_default(annotation, parameter.default, found)
    found.update(strict.notes)
    return []


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise LossError("collects any number of arguments, which a run cannot be given: name each parameter")
    try:
        annotation = evaluate(parameter.annotation, function)
    except UnresolvedError as unresolved:
        raise LossError(
            f"has an annotation that cannot be evaluated ({unresolved}): import its names at module level, "
            "outside `if TYPE_CHECKING:`"
        ) from unresolved
    if isinstance(annotation, str):
        raise LossError(
            "has an annotation in quotes that `from __future__ import annotations` quotes once more, "
            "so Prefect never sees the type: remove the quotes"
        )
    return annotation


def _check_required(parameter: inspect.Parameter, schema: dict[str, Any]) -> None:
    required = parameter.name in schema.get("required", ())
    if required == (plain_default(parameter.default) is inspect.Parameter.empty):
        return
    if required:
        raise LossError("has a default that Prefect's schema drops: give the value itself, not a factory")
    raise LossError("has no default, yet Prefect's schema does not require it: rename it")


def _check_secrets(found: dict[str, Any], definitions: dict[str, Any]) -> None:
    """No default may give a secret a value: it would be registered in clear, or masked and then run with."""
    if holds_secret(found, definitions):
        raise LossError(f"has a secret in its default: {SECRET_ADVICE}")
    fields = fields_with_secrets(found, definitions)
    if fields:
        names = ", ".join(fields)
        raise LossError(
            f"takes a model with a secret in the default of {names}: make the field required or None; "
            "a secret has no place in a schema"
        )


def _check_reference(
    parameter: inspect.Parameter, annotation: Any, types: list[Any], found: dict[str, Any]
) -> None:
    names = ", ".join(annotation_text(each) for each in types)
    if any(each.__module__.startswith("pydantic.v1") for each in _bases(types)):
        raise LossError(f"uses a model of pydantic 1 ({names}): make it a model of pydantic 2")
    value = plain_default(parameter.default)
    if value is inspect.Parameter.empty:
        return
    if value is None:
        read(annotation, None)
        return
    try:
        check_default(annotation, value, found)
    except LossError as loss:
        raise LossError(
            f"has a default, but {names} has no JSON form: use None and make the value inside the flow"
        ) from loss


def _bases(types: list[Any]) -> list[type]:
    return [base for each in types for base in getattr(each, "__mro__", ())]


def _check_type(strict: Property, default: Any, found: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Compare Prefect's property with the one pydantic makes of the same annotation and default."""
    ours, theirs = inline(strict.schema, strict.definitions), inline(found, definitions)
    for key in sorted((ours.keys() | theirs.keys()) - _BESIDE):
        if not is_json(ours.get(key)):
            raise LossError("takes a model with a default that JSON does not have, NaN or infinity: use None")
        if ours.get(key) != theirs.get(key) and not _is_extra(key, default):
            raise LossError(
                f"would lose {key!r} ({short(ours.get(key))}) in Prefect's schema: write "
                "the constraint into the annotation, as in `Annotated[int, Field(ge=1)] = 3`"
            )


def _is_extra(key: str, default: Any) -> bool:
    """Whether the user put this key into the schema by hand."""
    extra = getattr(default, "json_schema_extra", None)
    return isinstance(extra, dict) and key in extra


def _check_values(annotation: Any) -> None:
    """Every value there is to choose must be one that its JSON leads back to."""
    values = values_without_json(annotation)
    if values:
        raise LossError(
            f"takes values that JSON cannot name ({', '.join(values)}): give an enum's members a text or a number "
            "as their value, and annotate with the enum, not with a Literal of its members"
        )
