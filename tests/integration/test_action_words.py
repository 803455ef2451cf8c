"""What the action makes of its inputs: the words that the program gets, however the names of flows are written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import REPOSITORY

ACTION = REPOSITORY / ".github/actions/flowyard/action.yml"


@pytest.mark.parametrize(
    ("flows", "words"),
    [("", []), ("etl news", ["etl", "news"]), ("etl\nnews  x_*\n", ["etl", "news", "x_*"])],
)
def test_all_lines_of_the_flows_are_meant(tmp_path: Path, flows: str, words: list[str]) -> None:
    (step,) = [one for one in yaml.safe_load(ACTION.read_text("utf-8"))["runs"]["steps"] if "id" in one]
    program = tmp_path / ".venv/bin/flowyard"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    here = tmp_path / ".github/actions/flowyard"
    here.mkdir(parents=True)
    (tmp_path / "x_is_no_flow").touch()
    given = {"VERB": "build", "TARGET": "", "FLOWS": flows, "SPLIT": "1", "GITHUB_TOKEN": ""}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={"PATH": "/usr/bin:/bin", "GITHUB_ACTION_PATH": str(here), **given},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["build", "--", *words]
