"""How a flow is called in Python, as a value: what its image says of it, or its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowyard.runtime.names import ANY
from flowyard.values import Json


@dataclass(frozen=True, slots=True)
class Type:
    """A type, as text that holds once its modules are imported; `note` names what of it only the image has."""

    text: str = ANY
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its kind by Python's own name, its type, and its default as text, None where it has none."""

    name: str
    kind: str
    type: Type = Type()
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters in their order, what comes back, and the modules that the types are imported from."""

    parameters: tuple[Parameter, ...] = ()
    returns: Type = Type()
    imports: frozenset[str] = frozenset()


# Of what is not known: anything goes.
ANYTHING = Signature((Parameter("args", "VAR_POSITIONAL"), Parameter("kwargs", "VAR_KEYWORD")))


def parse_signature(described: Mapping[str, Json] | None) -> Signature | None:
    """The signature that an image's description holds, None where it holds none."""
    if described is None:
        return None
    parameters = (
        Parameter(one["name"], one["kind"], _type(one), one.get("default")) for one in described["parameters"]
    )
    return Signature(tuple(parameters), _type(described["returns"]), frozenset(described["imports"]))


def _type(described: Mapping[str, Json]) -> Type:
    return Type(described["type"], described.get("note", ""))
