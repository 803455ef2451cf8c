"""Reading TOML: whatever the file holds, the answer is a model or problems with a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.configuration.models import FlowFile, RegistryFile
from flowyard.configuration.parse import allowed_keys, did_you_mean, parse, show
from flowyard.errors import Problem


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
