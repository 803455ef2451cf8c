"""`python -m flowyard.configuration.schema`: JSON Schemas and the configuration reference, from models.py.

Generated and committed, because an editor needs the schemas as files and a reader the reference as a page; a
test holds them equal to the models, so neither can fall behind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flowyard.configuration.models import BasesFile, FlowFile, LocalFile, RegistryFile
from flowyard.configuration.paths import BASES_LOCK, FLOW_FILE, LOCAL_FILE, REGISTRY_FILE
from flowyard.values import Json

SCHEMAS: Mapping[Path, type[BaseModel]] = MappingProxyType(
    {
        Path("schemas/registry.schema.json"): RegistryFile,
        Path("schemas/flow.schema.json"): FlowFile,
    }
)
FILES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        REGISTRY_FILE: RegistryFile,
        f"flows/NAME/{FLOW_FILE}": FlowFile,
        LOCAL_FILE: LocalFile,
        BASES_LOCK.as_posix(): BasesFile,
    }
)
REFERENCE = Path("docs/configuration.md")
INTRODUCTION = Path("docs/_configuration_intro.md")
_MADE = (
    "<!-- Made by `python -m flowyard.configuration.schema` from flowyard/configuration/models.py and {}: "
    "edit those. -->\n"
)
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that all TOML editors know
_TYPES: Mapping[Any, str] = MappingProxyType(
    {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Any: "value"}
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a TOML file, as the reference shows it."""

    path: str
    type: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Section:
    """One TOML table: where it stands (empty: the file itself), what it is, and its keys."""

    title: str
    text: str
    keys: tuple[Key, ...]


def generated(root: Path) -> dict[Path, str]:
    """Every generated file below `root`: its path and its text. Reads the introduction, writes nothing."""
    texts = {path: schema_text(model) for path, model in SCHEMAS.items()}
    introduction = (root / INTRODUCTION).read_text(encoding="utf-8")
    texts[REFERENCE] = _MADE.format(INTRODUCTION.name) + introduction + reference_text()
    return texts


def schema_text(model: type[BaseModel]) -> str:
    """The JSON Schema of one file, as editors of TOML understand it."""
    schema = _for_editors(model.model_json_schema(by_alias=True))
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2) + "\n"


def _for_editors(schema: Json) -> Json:
    """The schema without what TOML does not have (null) and without the titles that repeat the keys."""
    if isinstance(schema, list):
        return [_for_editors(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "patternProperties" in schema:  # a key of any other form is a mistake
        schema = {**schema, "additionalProperties": False}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema = {**choices[0], **schema}
    kept = {}
    for name, value in schema.items():
        if name == "properties":
            kept[name] = {key: _for_editors(inner) for key, inner in value.items()}
        elif not _is_noise(name, value, len(choices)):
            kept[name] = _for_editors(value)
    return kept


def _is_noise(name: str, value: Json, choices: int) -> bool:
    if name == "default":
        return value in (None, {}, [])
    return name in ("title", "discriminator") or (name == "anyOf" and choices == 1)


def reference_text() -> str:
    """The tables of keys of every file, in Markdown."""
    return "".join(_file_text(file, model) for file, model in FILES.items())


def _file_text(file: str, model: type[BaseModel]) -> str:
    lines = ["", f"## {file}", ""]
    for section in sections(model):
        if section.title:
            lines += [f"### {section.title}", ""]
        lines += [section.text, "", "| key | type | default | what it is |", "|---|---|---|---|"]
        lines += [f"| `{k.path}` | {k.type} | {k.default} | {k.description} |" for k in section.keys]
        lines.append("")
    return "\n".join(lines)


def sections(model: type[BaseModel], path: str = "", title: str = "") -> Iterator[Section]:
    """The table `model` describes, and all tables in it, outermost first."""
    keys, inner = [], []
    for name, field in model.model_fields.items():
        at = f"{path}.{field.alias or name}" if path else (field.alias or name)
        tables = tuple(_tables(field.annotation))
        text = field.description or " Or: ".join(_text(table) for _, table in tables)
        keys.append(Key(at, _type(field.annotation), _default(field), _cell(text or "Chooses this table.")))
        for suffix, table in tables:
            kind = f" with type = {_type(table.model_fields['type'].annotation)}" if len(tables) > 1 else ""
            inner.append((f"{at}{suffix}", table, f"`[{at}{suffix}]`{kind}"))
    yield Section(title, _text(model), tuple(keys))
    for at, table, heading in inner:
        yield from sections(table, at, heading)


def _text(model: type[BaseModel]) -> str:
    """The model's docstring; of a whole file without the file's name, which the heading has."""
    text = (model.__doc__ or "").strip()
    name, _, rest = text.partition(": ")
    shown = rest if name.endswith((".toml", ".lock")) else text
    return shown[:1].upper() + shown[1:]


def _tables(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables a value of this type may be or hold, each with what is added to its key path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    origin = get_origin(annotation)
    suffix = ".NAME" if origin is dict else "[]" if origin is list else ""
    for argument in get_args(annotation):
        for inner, table in _tables(argument):
            yield f"{suffix}{inner}", table


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin is list:
        return f"list of {_plural(_type(arguments[0]))}"
    if origin is dict:
        return f"table of {_plural(_type(arguments[1]))}"
    if origin in (Union, UnionType):
        names = dict.fromkeys(_type(argument) for argument in arguments if argument is not type(None))
        return " or ".join(names)
    return _TYPES.get(annotation, "table")


def _plural(name: str) -> str:
    return f"{name}s" if name in ("table", "value") else name


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ({}, []):
        return ""
    return f"`{json.dumps(value)}`"  # texts, numbers and booleans are written alike in TOML and JSON


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(root: Path) -> int:
    """Write the generated files that differ, and name them on stdout. Returns the exit code 0."""
    for path, text in generated(root).items():
        file = root / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.as_posix()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[2]))
