"""The files for a CI: what users copy is what runs here, and every action is pinned by commit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import REPOSITORY

WORKFLOWS = REPOSITORY / ".github/workflows"
COPIES = REPOSITORY / "examples/github"
OWN = "uses: $/.github/actions/flowyard"
THEIRS = f"uses: acme/flowyard/.github/actions/flowyard@{'0' * 40} # where your Flowyard is, and its commit"
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # .+")


@pytest.mark.parametrize("name", ["plan.yml", "ship.yml"])
def test_what_users_copy_is_what_runs_here(name: str) -> None:
    own = (WORKFLOWS / name).read_text("utf-8")
    assert OWN in own
    assert (COPIES / name).read_text("utf-8") == own.replace(OWN, THEIRS)


@pytest.mark.parametrize(
    "file", [*sorted(WORKFLOWS.glob("*.yml")), COPIES / "ship-split.yml"], ids=lambda file: file.name
)
def test_actions_are_pinned_by_commit_with_their_version(file: Path) -> None:
    used = [
        line.strip().removeprefix("- ") for line in file.read_text("utf-8").splitlines() if "uses:" in line
    ]
    assert used
    assert [line for line in used if line != OWN and not PINNED.fullmatch(line)] == []
