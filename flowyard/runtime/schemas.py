"""Questions about a JSON Schema that its reader would answer wrongly: what references mean, where secrets lie.

Pydantic writes a secret's default into the schema, masked or in clear, and masks nothing that was given as
plain text; whoever can read a deployment could read it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import repeat
from typing import Any

_COMBINED = ("anyOf", "oneOf", "allOf")


def inline(schema: Any, definitions: dict[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """`schema` with its references replaced by what they mean: names of definitions may differ."""
    if isinstance(schema, list):
        return [inline(each, definitions, inside) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name in inside:
            return {"$ref": len(inside) - inside.index(name)}
        return inline(definitions.get(name), definitions, (*inside, name))
    return {key: inline(value, definitions, inside) for key, value in schema.items()}


def is_json(schema: Any) -> bool:
    """Whether every number in it is one that JSON has."""
    try:
        json.dumps(schema, allow_nan=False)
    except ValueError:
        return False
    return True


def holds_secret(schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """Whether the default of `schema` gives a secret a value."""
    return any(_secrets(schema, schema.get("default"), definitions))


def fields_with_secrets(schema: Any, definitions: dict[str, Any]) -> list[str]:
    """The fields of models in `schema` whose default is a secret, as `Model.field`, each once."""
    found: dict[str, None] = {}
    for name in _referred(schema, definitions, {}):
        for field, property_ in definitions[name].get("properties", {}).items():
            if holds_secret(property_, definitions):
                found[f"{name}.{field}"] = None
    return list(found)


def impossible_keys(schema: Any, definitions: dict[str, Any]) -> bool:
    """Whether a mapping in `schema` allows only keys that are no text: a JSON object has no others."""
    names = _referred(schema, definitions, {})
    return any(
        map(_has_impossible_keys, (schema, *(definitions[name] for name in names)), repeat(definitions))
    )


def _has_impossible_keys(schema: Any, definitions: dict[str, Any]) -> bool:
    if isinstance(schema, list):
        return any(_has_impossible_keys(each, definitions) for each in schema)
    if not isinstance(schema, dict):
        return False
    keys = schema.get("propertyNames")
    if isinstance(keys, dict):
        keys = definitions.get(_reference(keys), keys)
        choices = keys.get("enum", [keys.get("const", "")])
        if not any(isinstance(each, str) for each in choices):
            return True
    return any(_has_impossible_keys(each, definitions) for each in schema.values())


def _referred(schema: Any, definitions: dict[str, Any], seen: dict[str, None]) -> dict[str, None]:
    """The names of the definitions that `schema` uses, directly or through others."""
    if isinstance(schema, list):
        for each in schema:
            _referred(each, definitions, seen)
    elif isinstance(schema, dict):
        name = _reference(schema)
        if name in definitions and name not in seen:
            seen[name] = None
            _referred(definitions[name], definitions, seen)
        for value in schema.values():
            _referred(value, definitions, seen)
    return seen


def _reference(schema: dict[str, Any]) -> str:
    reference = schema.get("$ref")
    return reference.rsplit("/", 1)[-1] if isinstance(reference, str) else ""


def _secrets(
    schema: Any, value: Any, definitions: dict[str, Any], followed: tuple[str, ...] = ()
) -> Iterator[bool]:
    """True for every secret in `value`, a JSON value that fits `schema`.

    `followed` are the references that led to this schema with the very same value: a second time is a circle.
    """
    if not isinstance(schema, dict) or value in (None, "", [], {}):
        return
    if schema.get("format") == "password" or schema.get("writeOnly"):
        yield True
    name = _reference(schema)
    if name and name not in followed:
        yield from _secrets(definitions.get(name), value, definitions, (*followed, name))
    for key in _COMBINED:
        for choice in schema.get(key, ()):
            yield from _secrets(choice, value, definitions, followed)
    yield from _inner_secrets(schema, value, definitions)


def _inner_secrets(schema: dict[str, Any], value: Any, definitions: dict[str, Any]) -> Iterator[bool]:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, each in value.items():
            yield from _secrets(known.get(key, schema.get("additionalProperties")), each, definitions)
    elif isinstance(value, list):
        first = schema.get("prefixItems", [])
        for position, each in enumerate(value):
            inner = first[position] if position < len(first) else schema.get("items")
            yield from _secrets(inner, each, definitions)
