"""TOML file -> validated model, with every problem of the file found at once.

Pydantic knows what is wrong; this module says it the way a person needs it: file, key path as written in
the file, what was found, what is allowed, and the key that was probably meant.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowyard.configuration.forms import FORMS
from flowyard.errors import Problem
from flowyard.texts import did_you_mean, not_utf8, show

Model = TypeVar("Model", bound=BaseModel)

DEEPEST = 50  # levels of tables and lists in one file
EXPLAINED = "explained"  # the kind of a problem that says all there is to say itself
_TYPES_OF: Mapping[int | str, str] = {"cache": 'type = "registry" or type = "gha"'}  # examples, by key
_TYPE_NAMES = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list in square brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def parse(path: Path, shown: str, model: type[Model]) -> tuple[Model | None, tuple[Problem, ...]]:
    """The file's model, or its problems. `shown` is the file's name in messages."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return None, (Problem(shown, "", f"cannot be read: {error.strerror}"),)
    return parse_content(content, shown, model)


def parse_content(content: bytes, shown: str, model: type[Model]) -> tuple[Model | None, tuple[Problem, ...]]:
    """The model that a file's content makes, or its problems."""
    try:
        data = read_toml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return None, (Problem(shown, "", not_utf8(error)),)
    except ValueError as error:
        return None, (Problem(shown, "", f"is not valid TOML: {error}"),)
    too_deep = _too_deep(data)
    if too_deep is not None:
        return None, (Problem(shown, too_deep, f"is nested deeper than {DEEPEST} levels; make it flatter"),)
    problems: dict[str, Problem] = {}
    found = None
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            key = _key(item, data)
            problems[key] = Problem(shown, key, _text(item, model))
    for key, text in _without_json(data):
        problems.setdefault(key, Problem(shown, key, text))
    return (None if problems else found), tuple(problems.values())


def read_toml(text: str) -> dict[str, Any]:
    """The document. Raises ValueError, for numbers and nesting that Python cannot hold as well."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _too_deep(data: Mapping[str, Any]) -> str | None:
    """The key below which values are nested deeper than anything that reads them can follow, if any.

    Not recursive itself: dotted keys nest as deeply as a file is long.
    """
    level: list[tuple[str, Any]] = list(data.items())
    for _ in range(DEEPEST):
        inner = [(key, value) for key, item in level for value in _inner(item)]
        if not inner:
            return None
        level = inner
    return level[0][0]


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_json(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Values that TOML knows and JSON does not, in which everything is sent: key path and what to do."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _without_json(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _without_json(inner, f"{key}[{position}]")
    elif isinstance(value, date | time):
        yield key, f'is a date or time; put it in quotes: "{value.isoformat()}"'
    elif isinstance(value, float) and not isfinite(value):
        yield key, f"must be a finite number, found {value}"


def _key(item: ErrorDetails, data: Mapping[str, Any]) -> str:
    """The key path as the file writes it: pydantic also counts union members, which no file holds."""
    parts: list[str] = []
    at: Any = data
    last = len(item["loc"]) - 1
    for position, part in enumerate(item["loc"]):
        if isinstance(part, int):
            parts.append(f"[{part}]")
            at = at[part] if isinstance(at, list) and part < len(at) else None
        elif part != "[key]" and (position == last or (isinstance(at, Mapping) and part in at)):
            parts.append(f".{part}" if parts else part)
            at = at.get(part) if isinstance(at, Mapping) else None
    return "".join(parts)


def _text(item: ErrorDetails, model: type[BaseModel]) -> str:
    kind, found = item["type"], item.get("input")
    context = item.get("ctx", {})
    if kind == EXPLAINED:
        return item["msg"]
    if kind == "extra_forbidden":
        return _unknown_key(str(item["loc"][-1]), allowed_keys(model, item["loc"][:-1]))
    if kind == "missing":
        return "is missing; add it"
    if kind in _TYPE_NAMES:
        return f"must be {_TYPE_NAMES[kind]}, found {show(found)}"
    if kind == "literal_error":
        return f"must be {context['expected']}, found {show(found)}"
    if kind == "union_tag_invalid":
        return f"has type {show(context['tag'])}; allowed: {context['expected_tags']}"
    if kind == "union_tag_not_found":
        example = _TYPES_OF.get(item["loc"][-1], 'type = "embedded" or type = "oci"')
        return f"needs a key `type`, such as {example}"
    if kind == "string_pattern_mismatch":
        return f"{show(found)} is of the wrong form; {FORMS.get(context['pattern'], context['pattern'])}"
    if kind == "too_short":
        return "must hold at least one entry"
    text = item["msg"].replace("Input should be", "must be")
    return f"{text[:1].lower()}{text[1:]}, found {show(found)}"


def _unknown_key(key: str, allowed: Iterable[str]) -> str:
    allowed = sorted(allowed)
    return f"is not a known key{did_you_mean(key, allowed)}; allowed: {', '.join(allowed)}"


def allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys the table at `location` may hold, read from the models."""
    candidates: list[type[BaseModel]] = [model]
    for part in location:
        following: list[type[BaseModel]] = []
        for candidate in candidates:
            following += _descend(candidate, part)
        candidates = following or candidates
    return tuple(sorted({f.alias or n for c in candidates for n, f in c.model_fields.items()}))


def _descend(model: type[BaseModel], part: int | str) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if part in (field.alias, name):
            return _models(field.annotation)
    tagged = model.model_fields.get("type")
    return [model] if tagged is not None and part in get_args(tagged.annotation) else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
