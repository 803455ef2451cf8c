"""What an annotation means: evaluated, strictly as JSON Schema, and written for people.

A type without a JSON Schema (a DataFrame) is not a mistake: such a value travels by reference, so the
description must name the type, not hide it.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

_REF = "#/definitions/{model}"
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of a function or an object: another one in every process


class UnresolvedError(Exception):
    """An annotation names something that does not exist at run time."""


@dataclass(frozen=True)
class Property:
    """The JSON Schema of one parameter, the definitions it refers to, and the notes its annotation carries.

    `notes` are the `title` and `description` of an `Annotated[..., Field(...)]`, which Prefect overwrites.
    """

    schema: dict[str, Any]
    definitions: dict[str, Any]
    notes: dict[str, str]


def evaluate(annotation: Any, function: Callable[..., Any]) -> Any:
    """The annotation as an object, when it was written (or postponed) as text. Raises UnresolvedError.

    Still a text when it was both written and postponed as text.
    """
    if not isinstance(annotation, str):
        return annotation
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return eval(annotation, names)  # noqa: S307 - the user's own code, imported already
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnresolvedError(f"{type(error).__name__}: {error}") from error


def strict_property(annotation: Any, default: Any = inspect.Parameter.empty) -> Property:
    """The property pydantic makes of it, with nothing replaced by "anything".

    Raises PydanticInvalidForJsonSchema when the type has no JSON Schema.
    """
    from pydantic import ConfigDict, TypeAdapter, create_model

    config = ConfigDict(arbitrary_types_allowed=True)
    kind = Any if annotation is inspect.Parameter.empty else annotation
    given: Any = ... if default is inspect.Parameter.empty else default
    fields: dict[str, Any] = {"value": (kind, given)}
    model = create_model("Parameter", __config__=config, **fields)
    schema = TypeAdapter(model).json_schema(
        by_alias=True, ref_template=_REF, schema_generator=_strict_generator()
    )
    field = model.model_fields["value"]
    notes = {"title": field.title, "description": field.description}
    return Property(
        schema["properties"]["value"],
        schema.get("$defs", {}),
        {name: text for name, text in notes.items() if text is not None},
    )


def _strict_generator() -> type[GenerateJsonSchema]:
    """Pydantic's generator, which leaves out the choices of a union that have no JSON Schema: here an error."""
    from pydantic.errors import PydanticInvalidForJsonSchema
    from pydantic.json_schema import GenerateJsonSchema

    class Strict(GenerateJsonSchema):
        def emit_warning(self, kind: Any, detail: str) -> None:
            if kind == "skipped-choice":
                raise PydanticInvalidForJsonSchema(detail)
            super().emit_warning(kind, detail)

    return Strict


def reference_types(annotation: Any) -> list[Any]:
    """The types inside `annotation` that have no JSON Schema, or it as a whole when none can be named."""
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

    try:
        strict_property(annotation)
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        pass
    else:
        return []
    origin = typing.get_origin(annotation)
    arguments = [each for each in typing.get_args(annotation) if _is_type(each)]
    if origin is None or origin is type or "Callable" in str(origin):
        arguments = []
    found = [leaf for each in arguments for leaf in reference_types(each)]
    return found or [annotation]


def values_without_json(annotation: Any) -> list[str]:
    """The enum members and literals inside `annotation` that their own JSON value does not lead back to.

    Each as one would write it: `Colour.RED`, `b'a'`.
    """
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import to_jsonable_python

    if annotation is inspect.Parameter.empty:
        return []
    found: dict[str, None] = {}
    for kind, values in _choices(TypeAdapter(annotation).core_schema, set()):
        adapter = TypeAdapter(kind)
        for value in values:
            try:
                if adapter.validate_python(to_jsonable_python(value)) is value:
                    continue
            except ValidationError:
                pass
            found[
                f"{type(value).__qualname__}.{value.name}" if isinstance(value, enum.Enum) else repr(value)
            ] = None
    return list(found)


def _choices(core: Any, seen: set[int]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The enums and literals in pydantic's core schema of a type, each with its values."""
    if isinstance(core, list | tuple):
        for each in core:
            yield from _choices(each, seen)
    if not isinstance(core, dict) or id(core) in seen:
        return
    seen.add(id(core))
    if core.get("type") == "enum":
        yield core["cls"], core["members"]
    elif core.get("type") == "literal":
        yield typing.Literal[tuple(core["expected"])], core["expected"]
    for each in core.values():
        yield from _choices(each, seen)


def _is_type(annotation: Any) -> bool:
    return isinstance(annotation, type) or typing.get_origin(annotation) is not None


def strip_optional(annotation: Any) -> Any:
    """`Optional[X]` and `Annotated[X, ...]` as X."""
    arguments = typing.get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return strip_optional(arguments[0])
    if "Union" in str(getattr(typing.get_origin(annotation), "__name__", typing.get_origin(annotation))):
        others = [each for each in arguments if each is not type(None)]
        if len(others) == 1:
            return strip_optional(others[0])
    return annotation


def annotation_text(annotation: Any) -> str:
    """As one would write it: `int`, `pandas.DataFrame`, `list[pandas.DataFrame]`."""
    if isinstance(annotation, str):
        return annotation
    if typing.get_origin(annotation) is None and isinstance(annotation, type):
        return _public_name(annotation)
    text = str(annotation)
    for each in typing.get_args(annotation):
        if isinstance(each, type) and typing.get_origin(each) is None:
            text = text.replace(f"{each.__module__}.{each.__qualname__}", _public_name(each))
    return _ADDRESS.sub("", text)


def _public_name(kind: type) -> str:
    """The shortest module path that leads to this very class: `pandas.DataFrame`."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    parts = kind.__module__.split(".")
    for length in range(1, len(parts)):
        module = sys.modules.get(".".join(parts[:length]))
        if getattr(module, kind.__qualname__, None) is kind:
            return ".".join((*parts[:length], kind.__qualname__))
    return f"{kind.__module__}.{kind.__qualname__}"
