"""docs/what-is-hashed.md and the code name the same inputs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from flowyard.load import load
from flowyard.plan import Desired
from flowyard.planning.desired import want
from flowyard.target import EcsSettings
from tests.support import IN_A_BUCKET, REPOSITORY, desire, lock, target_of, write_files
from tests.unit.changing import make_repository

PAGE = REPOSITORY / "docs/what-is-hashed.md"
INPUT = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
PLACEHOLDER = re.compile(r"[A-Z]{2,}")


def documented() -> list[re.Pattern[str]]:
    """The inputs of both tables; of several that fit, the first is meant."""
    text = PAGE.read_text("utf-8").partition("## Not hashed")[0]
    return [re.compile(PLACEHOLDER.sub(".+", re.escape(name))) for name in INPUT.findall(text)]


def row_of(name: str) -> str | None:
    return next((row.pattern for row in documented() if row.fullmatch(name)), None)


def desire_on_ecs(root: Path) -> Desired:
    """The flow as the files want it where tasks are defined before they run."""
    project = load(root)
    (flow,) = [one for one in project.flows if one.name == "hello"]
    ecs = replace(target_of(project), work_pool_type="ecs", ecs=EcsSettings("eu-west-1"))
    return want(project, flow, ecs)


def test_every_input_is_documented_and_every_documented_input_is_one(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository")
    write_files(root, {"flows/hello/Dockerfile.j2": '{% extends "Dockerfile.j2" %}'})
    write_files(root, {"registry.toml": (root / "registry.toml").read_text("utf-8") + IN_A_BUCKET})
    lock(root)
    settings = root / "flows/hello/flow.toml"
    settings.write_text('check-seconds = 300\ncheck-memory = "4Gi"\n' + settings.read_text("utf-8"), "utf-8")
    inputs = {**desire(root).inputs.by_name(), **desire_on_ecs(root).inputs.by_name()}
    assert [name for name in inputs if row_of(name) is None] == []
    assert {row_of(name) for name in inputs} == {row.pattern for row in documented()}
