"""Reading TOML: whatever the file holds, the answer is a model or problems with a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.configuration.models import FlowFile, RegistryFile
from flowyard.configuration.parse import allowed_keys, parse
from flowyard.errors import Problem


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert parse(tmp_path, "x.toml", FlowFile) == (
        None,
        (Problem("x.toml", "", "cannot be read: Is a directory"),),
    )


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
