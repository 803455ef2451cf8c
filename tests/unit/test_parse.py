"""Reading TOML: whatever the file holds, the answer is a model or problems with a place."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowyard.configuration.models import BasesFile, FlowFile, LocalFile, RegistryFile
from flowyard.configuration.parse import allowed_keys, did_you_mean, parse, show
from flowyard.errors import Problem

MODELS = (RegistryFile, FlowFile, LocalFile, BasesFile)
BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KEYS = st.sampled_from(
    [
        *(
            "project",
            "targets",
            "defaults",
            "name",
            "registry",
            "type",
            "work-pool",
            "prefect",
            "env",
            "tags",
        ),
        *("deployments", "schedules", "cron", "parameters", "resources", "memory", "bases", "build-secrets"),
        *("entrypoint", "include", "x", "A B", "flow.py", ""),
    ]
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.dates().map(lambda day: day),
    st.datetimes(),
    st.times(),
    st.sampled_from(["embedded", "oci", "docker", "0 6 * * *", "2Gi", "{flow}", ""]),
    st.text(string.printable.replace("\r", ""), max_size=8),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def toml(value: Any) -> str:
    """A value as TOML writes it inside a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int):
        return str(value).lower()
    return str(value) if isinstance(value, float) else str(value.isoformat())


@BOUNDED
@given(document=st.dictionaries(KEYS, VALUES, max_size=4), model=st.sampled_from(MODELS))
def test_whatever_a_file_holds_is_answered(tmp_path: Path, document: dict[str, Any], model: Any) -> None:
    path = tmp_path / "file.toml"
    path.write_text(
        "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in document.items()), "utf-8"
    )
    found, problems = parse(path, "file.toml", model)
    assert (found is None) == bool(problems)
    assert all(
        problem.file == "file.toml" and problem.text and "\n" not in problem.key for problem in problems
    )
    if found is not None:
        json.dumps(found.model_dump(), allow_nan=False)


@BOUNDED
@given(content=st.binary(max_size=60))
def test_whatever_bytes_are_no_file_is_a_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(content)
    found, problems = parse(path, "file.toml", FlowFile)
    assert (found is None) == bool(problems)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert parse(tmp_path, "x.toml", FlowFile) == (
        None,
        (Problem("x.toml", "", "cannot be read: Is a directory"),),
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", '"text"'),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (2.5, "2.5"),
        ([1, "a"], "[1, 'a']"),
        ("x" * 70, '"' + "x" * 56 + "..."),
    ],
)
def test_show(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("found", "guess"),
    [
        ("shedules", " (did you mean `schedules`?)"),
        ("work_queue", " (did you mean `work-queue`?)"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(found: str, guess: str) -> None:
    assert did_you_mean(found, ["schedules", "work-queue", "tags"]) == guess


@pytest.mark.parametrize(
    ("location", "keys"),
    [
        ((), ("defaults", "project", "targets")),
        (("project",), ("default-target", "name")),
        (("targets", "x", "prefect"), ("api", "profile")),
        (("targets", "x", "registry", "oci"), ("repository", "type", "url")),
        (("targets", "x", "registry", "embedded"), ("repository", "type")),
    ],
)
def test_allowed_keys(location: tuple[str | int, ...], keys: tuple[str, ...]) -> None:
    assert allowed_keys(RegistryFile, location) == keys
