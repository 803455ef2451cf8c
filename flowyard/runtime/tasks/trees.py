"""A value as JSON that gives it back exactly: what JSON has no word for is an object that says its kind.

Models and dataclasses travel as the fields they have and are made again by their own class, so they are
checked where they arrive; nothing is pickled unless the caller says so.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import importlib
import json
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from flowyard.runtime.tasks import frames

MARK = "$flowyard"
_NAMED = {"enum": "enumeration", "flags": "enumeration", "object": "model or dataclass"}
Part = Callable[[str, Any], Mapping[str, Any]]  # stores a value in a format; what finds it again
Fetch = Callable[[Mapping[str, Any]], Any]  # reads what Part stored


class NotSerialisable(ValueError):
    """A value that cannot travel: `where` it stands in the whole, and why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")


def is_plain(value: Any) -> bool:
    """Whether JSON gives exactly this back, and it cannot be taken for one of our marks."""
    kind = type(value)
    if kind is dict:
        return MARK not in value and all(type(key) is str and is_plain(each) for key, each in value.items())
    if kind is list:
        return all(is_plain(each) for each in value)
    if kind is float:
        return math.isfinite(value)
    return value is None or kind in (str, int, bool)


class Encoder:
    """Writes values as trees. `part` stores what is large; `pickle` allows what only pickling can hold."""

    def __init__(self, part: Part, *, pickle: bool = False) -> None:
        self._part = part
        self._pickle = pickle

    def encode(self, value: Any, where: str) -> Any:
        """The tree of the value, which stands at `where`. Raises NotSerialisable, OSError."""
        try:
            return self._encode(value, where)
        except RecursionError:
            raise NotSerialisable(where, "holds itself, or is too deep") from None

    def _encode(self, value: Any, where: str) -> Any:
        kind = type(value)
        if value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            return [self._encode(each, f"{where}[{index}]") for index, each in enumerate(value)]
        if kind is dict:
            return self._mapping(value, where)
        if kind in _SIMPLE:
            name, write, _ = _SIMPLE[kind]
            return _node(name, write(value))
        if kind in _GROUPS:
            items = [self._encode(each, f"{where}[{index}]") for index, each in enumerate(value)]
            ordered = items if kind is tuple else sorted(items, key=json.dumps)
            return _node(_GROUPS[kind], ordered)
        return self._object(value, where)

    def _mapping(self, value: dict[Any, Any], where: str) -> Any:
        if MARK not in value and all(type(key) is str for key in value):
            return {key: self._encode(each, f"{where}[{key!r}]") for key, each in value.items()}
        pairs = [
            [self._encode(key, f"{where}, key {key!r}"), self._encode(each, f"{where}[{key!r}]")]
            for key, each in value.items()
        ]
        return _node("dict", pairs)

    def _object(self, value: Any, where: str) -> Any:
        form = frames.format_of(value)
        if form is not None:
            return self._stored(form, value, where)
        if frames.is_number(value):
            return _node("number", [value.dtype.str, value.item()])
        if type(value) is bytes:
            return _node("bytes", base64.b64encode(value).decode("ascii"))
        if isinstance(value, enum.Enum):
            return self._member(value, where)
        fields = fields_of(value)
        if fields is not None:
            tree = {name: self._encode(each, f"{where}.{name}") for name, each in fields.items()}
            return _node("object", tree, type=type_path(type(value)))
        if self._pickle:
            return self._stored(frames.PICKLE, value, where)
        raise NotSerialisable(
            where,
            f"is a {type(value).__module__}.{type(value).__qualname__}: neither JSON nor a model, a dataclass, "
            "bytes, a frame or an array; convert it, or allow pickling with .with_options(pickle=True)",
        )

    def _member(self, value: enum.Enum, where: str) -> Any:
        kind = type(value)
        if value.name in kind.__members__:
            return _node("enum", value.name, type=type_path(kind))
        several = self._encode(value.value, where)  # or none, of a Flag
        return _node("flags", several, type=type_path(kind))

    def _stored(self, form: str, value: Any, where: str) -> Any:
        try:
            return {MARK: "part", "format": form, **self._part(form, value)}
        except frames.CannotWrite as error:
            raise NotSerialisable(where, f"cannot be written: {error}") from error


class Decoder:
    """Reads trees. `loose`: an object whose class is not here becomes its fields, for the flow's own check."""

    def __init__(self, fetch: Fetch, *, loose: bool = False) -> None:
        self._fetch = fetch
        self._loose = loose

    def decode(self, tree: Any) -> Any:
        """The value of the tree. Raises frames.CannotRead, OSError, and what a class raises for its fields."""
        if isinstance(tree, list):
            return [self.decode(each) for each in tree]
        if not isinstance(tree, dict):
            return tree
        if MARK not in tree:
            return {key: self.decode(each) for key, each in tree.items()}
        return self._marked(tree[MARK], tree)

    def _marked(self, name: str, node: Mapping[str, Any]) -> Any:
        if name in _READ:
            return _READ[name](node["value"])
        if name in _MADE:
            return _MADE[name](self.decode(each) for each in node["value"])
        if name == "dict":
            return {self.decode(key): self.decode(each) for key, each in node["value"]}
        if name == "part":
            return self._fetch(node)
        if name in ("enum", "flags", "object"):
            return self._typed(name, self.decode(node["value"]), str(node["type"]))
        raise frames.CannotRead(
            f"was written as {name!r}, which this image does not know: ship this flow again"
        )

    def _typed(self, name: str, value: Any, path: str) -> Any:
        kind = self._kind(path)
        if kind is None:
            return value
        # What is written may name anything that can be imported: only what it says it is is made.
        if name == "object" and _is_structure(kind):
            return made(kind, value)
        if name != "object" and isinstance(kind, type) and issubclass(kind, enum.Enum):
            return _member_of(kind, name, value)
        raise frames.CannotRead(
            f"was written as a {_dotted(path)}, which here is no {_NAMED[name]}: ship both flows again"
        )

    def _kind(self, path: str) -> Any:
        try:
            return find_type(path)
        except (ImportError, AttributeError) as error:
            if self._loose:
                return None
            raise frames.CannotRead(
                f"is a {_dotted(path)}, which cannot be imported here ({error}): "
                "define it in a folder that both flows include"
            ) from error


def type_path(kind: type) -> str:
    """A type's place, as in `shared.models:Order`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def find_type(path: str) -> Any:
    """The type at such a place. Raises ImportError, AttributeError."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a pydantic model or a dataclass by name; None for anything else."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind) if field.init}
    if hasattr(kind, "model_fields") and hasattr(kind, "model_validate"):
        return {**{name: getattr(value, name) for name in kind.model_fields}, **(value.model_extra or {})}
    return None


def made(kind: type[Any], fields: dict[str, Any]) -> Any:
    """An object of this class with these fields, which its class checks."""
    if dataclasses.is_dataclass(kind):
        return kind(**fields)
    aliases = {name: field.alias or name for name, field in kind.model_fields.items()}
    return kind.model_validate({aliases.get(name, name): each for name, each in fields.items()})


def _is_structure(kind: Any) -> bool:
    """Whether this is a class that `fields_of` takes apart."""
    if not isinstance(kind, type):
        return False
    return dataclasses.is_dataclass(kind) or (
        hasattr(kind, "model_fields") and hasattr(kind, "model_validate")
    )


def _member_of(kind: type[enum.Enum], name: str, value: Any) -> enum.Enum:
    try:
        return kind[value] if name == "enum" else kind(value)
    except (KeyError, ValueError, TypeError) as error:
        raise frames.CannotRead(
            f"is {value!r} of {_dotted(type_path(kind))}, which has here only {', '.join(kind.__members__)}: "
            "ship both flows again"
        ) from error


def _dotted(path: str) -> str:
    return path.replace(":", ".")


def _node(name: str, value: Any, **more: str) -> dict[str, Any]:
    return {MARK: name, "value": value, **more}


def _moment(text: str, zone: str | None, fold: int) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text).replace(fold=fold)
    return moment.replace(tzinfo=zoneinfo.ZoneInfo(zone)) if zone else moment


def _scalar(kind: str, value: Any) -> Any:
    """A number of numpy; where it is not installed, the number."""
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        return value
    return numpy.dtype(kind).type(value)


_SIMPLE: Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    float: ("float", repr, float),  # not finite: finite ones are JSON
    complex: ("complex", repr, complex),
    datetime.datetime: (
        "datetime",
        lambda value: [value.isoformat(), getattr(value.tzinfo, "key", None), value.fold],
        lambda value: _moment(*value),
    ),
    datetime.date: ("date", lambda value: value.isoformat(), datetime.date.fromisoformat),
    datetime.time: ("time", lambda value: value.isoformat(), datetime.time.fromisoformat),
    datetime.timedelta: (
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda value: datetime.timedelta(*value),
    ),
    Decimal: ("decimal", str, Decimal),
    uuid.UUID: ("uuid", str, uuid.UUID),
    pathlib.PosixPath: ("path", str, pathlib.Path),
    pathlib.PurePosixPath: ("pure path", str, pathlib.PurePosixPath),
    bytearray: (
        "bytearray",
        lambda value: base64.b64encode(value).decode("ascii"),
        lambda value: bytearray(base64.b64decode(value)),
    ),
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    **{name: read for name, _, read in _SIMPLE.values()},
    "bytes": base64.b64decode,
    "number": lambda value: _scalar(*value),
}
_GROUPS: Mapping[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_MADE: Mapping[str, Callable[[Any], Any]] = {name: kind for kind, name in _GROUPS.items()}
