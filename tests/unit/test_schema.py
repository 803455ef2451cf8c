"""What is written down about keys and verbs: generated from the code, or held equal to it here."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from jsonschema import Draft7Validator
from pydantic import BaseModel

from flowyard.commands.cli import app
from flowyard.configuration.forms import FORMS
from flowyard.configuration.models import FlowFile, LocalFile, RegistryFile
from flowyard.configuration.parse import parse
from flowyard.configuration.schema import (
    FILES,
    INTRODUCTION,
    REFERENCE,
    SCHEMAS,
    Key,
    Section,
    generated,
    main,
    schema_text,
    sections,
)
from flowyard.values import Json

ROOT = Path(__file__).resolve().parents[2]
REGISTRY_SCHEMA = Path("schemas/registry.schema.json")
FLOW_SCHEMA = Path("schemas/flow.schema.json")
CONFIGURED = [ROOT / "registry.toml", *sorted(ROOT.glob("flows/*/flow.toml"))]
EXAMPLES: dict[str, type[BaseModel]] = {
    "registry.toml": RegistryFile,
    "flow.toml": FlowFile,
    "registry.local.toml": LocalFile,
}


def problems(schema: Path, document: Any) -> list[tuple[str, str]]:
    """Where the document breaks the committed schema, and how."""
    validator = Draft7Validator(json.loads((ROOT / schema).read_text(encoding="utf-8")))
    found = validator.iter_errors(document)
    return sorted((".".join(map(str, error.absolute_path)), error.message) for error in found)


@pytest.mark.parametrize("path", [*SCHEMAS, REFERENCE], ids=str)
def test_committed_file_is_the_generated_one(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generated(ROOT)[path], (
        "run `python -m flowyard.configuration.schema` and commit what it writes"
    )


def test_main_writes_what_differs_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / INTRODUCTION).write_text("# Configuration\n", encoding="utf-8")
    assert main(tmp_path) == 0
    assert capsys.readouterr().out.split() == [str(path) for path in (*SCHEMAS, REFERENCE)]
    assert main(tmp_path) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", SCHEMAS, ids=str)
def test_schema_is_a_valid_schema(path: Path) -> None:
    Draft7Validator.check_schema(json.loads((ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", CONFIGURED, ids=lambda path: str(path.relative_to(ROOT)))
def test_configuration_names_its_schema_and_keeps_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = text.partition("\n")[0].removeprefix("#:schema ")
    schema = (file.parent / named).resolve().relative_to(ROOT)
    assert schema == (REGISTRY_SCHEMA if file.name == "registry.toml" else FLOW_SCHEMA)
    assert problems(schema, tomllib.loads(text)) == []


@pytest.mark.parametrize(
    ("schema", "text", "found"),
    [
        (
            FLOW_SCHEMA,
            "base-image = 'python:3.13'",
            [("", "Additional properties are not allowed ('base-image' was unexpected)")],
        ),
        (
            FLOW_SCHEMA,
            "[deployments.Daily]",
            [
                (
                    "deployments",
                    "'Daily' does not match any of the regexes: '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$'",
                )
            ],
        ),
        (
            FLOW_SCHEMA,
            "[deployments.daily]\nconcurrency-limit = 0",
            [("deployments.daily.concurrency-limit", "0 is less than the minimum of 1")],
        ),
        (
            FLOW_SCHEMA,
            "[deployments.daily.resources]\nmemory = '2GB'",
            [("deployments.daily.resources.memory", "'2GB' does not match '^[1-9][0-9]{0,9}(Ki|Mi|Gi|Ti)$'")],
        ),
        (
            FLOW_SCHEMA,
            "system-packages = 'libpq5'",
            [("system-packages", "'libpq5' is not of type 'array'")],
        ),
        (
            REGISTRY_SCHEMA,
            "[project]\n",
            [("", "'targets' is a required property"), ("project", "'name' is a required property")],
        ),
    ],
    ids=["unknown key", "name", "minimum", "pattern", "type", "missing"],
)
def test_schema_refuses(schema: Path, text: str, found: list[tuple[str, str]]) -> None:
    assert problems(schema, tomllib.loads(text)) == found


def test_schema_knows_no_null() -> None:
    for path in SCHEMAS:
        assert "null" not in (ROOT / path).read_text(encoding="utf-8")


def test_sections_of_a_file_with_tables_in_tables() -> None:
    name, default = (
        Key("bases.NAME.reference", "text", "required", "Image reference with its digest."),
        "required",
    )
    assert [section for section in sections(LocalFile) if "bases" in section.title] == [
        Section(
            "`[bases.NAME]`",
            "A base image pinned by digest.",
            (name, Key("bases.NAME.python", "text", default, "Python version in the image.")),
        )
    ]


def test_sections_tell_the_tables_of_a_choice_apart() -> None:
    titles = [section.title for section in sections(RegistryFile)]
    assert titles == [
        "",
        "`[project]`",
        "`[defaults]`",
        "`[targets.NAME]`",
        '`[targets.NAME.registry]` with type = `"embedded"`',
        '`[targets.NAME.registry]` with type = `"oci"`',
        '`[targets.NAME.registry]` with type = `"ecr"`',
        "`[targets.NAME.work-pool]`",
        "`[targets.NAME.ecs]`",
        "`[targets.NAME.ecs.capacity-providers[]]`",
        "`[targets.NAME.kubernetes]`",
        "`[targets.NAME.prefect]`",
        "`[targets.NAME.build]`",
        '`[targets.NAME.build.cache]` with type = `"registry"`',
        '`[targets.NAME.build.cache]` with type = `"gha"`',
    ]


def toml_examples() -> list[tuple[str, str]]:
    """File name and text of each TOML example; a comment in its first two lines is the file's path."""
    found = []
    for page in (
        ROOT / "README.md",
        ROOT / "docs/configuration.md",
        ROOT / "docs/aws.md",
        ROOT / "docs/kubernetes.md",
        ROOT / "docs/builders.md",
    ):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^ *```toml\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
            lines = [line.strip() for line in block.splitlines()[:2]]
            (path,) = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
            found.append((Path(path).name, textwrap.dedent(block)))
    return found


@pytest.mark.parametrize(("name", "text"), toml_examples())
def test_documented_example_is_valid(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text(text, encoding="utf-8")
    _, found = parse(file, name, EXAMPLES[name])
    assert found == ()


def test_documented_examples_are_found() -> None:
    assert {name for name, _ in toml_examples()} == EXAMPLES.keys()


def verbs() -> dict[str, list[str]]:
    """Every verb and the long names of its options."""
    found = {}
    for verb in app:
        command = app[verb]
        if verb.startswith("-") or not isinstance(command, App):
            continue
        names = [name for argument in command.assemble_argument_collection() for name in argument.names]
        found[verb] = sorted(name for name in names if name.startswith("--"))
    return found


@pytest.mark.parametrize(("verb", "options"), verbs().items(), ids=verbs())
def test_verb_is_documented_with_its_options(verb: str, options: list[str]) -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {verb}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert section is not None
    documented = sorted(set(re.findall(r"^\| `(--[a-z-]+)", section[1], re.MULTILINE)))
    assert documented == options


def test_every_pattern_is_put_into_words() -> None:
    texts = [schema_text(model) for model in FILES.values()]
    patterns = {found for text in texts for found in _patterns(json.loads(text))}
    assert patterns == set(FORMS)


def _patterns(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from ([schema["pattern"]] if isinstance(schema.get("pattern"), str) else [])
        yield from schema.get("patternProperties", {})
        for inner in schema.values():
            yield from _patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _patterns(inner)
