"""docs/what-is-hashed.md and the code name the same inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flowyard.load import load
from flowyard.plan import Desired
from flowyard.planning.desired import want
from flowyard.planning.docker_tasks import with_releases
from flowyard.registering.deployment import spec_origins
from flowyard.target import EcsSettings, KubernetesSettings, Target
from flowyard.values import Project
from tests.support import IN_A_BUCKET, REPOSITORY, lock, target_of, write_files
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


def targets(project: Project) -> tuple[Target, ...]:
    """One of each type of work pool that has settings of its own."""
    target = target_of(project)
    ecs = replace(target, work_pool_type="ecs", ecs=EcsSettings("eu-west-1"))
    return target, ecs, replace(target, work_pool_type="kubernetes", kubernetes=KubernetesSettings())


def desire_everywhere(root: Path) -> Iterator[Desired]:
    """The flow as the files want it on each of these targets."""
    project = load(root)
    (flow,) = [one for one in project.flows if one.name == "hello"]
    return (want(project, flow, target) for target in targets(project))


def calling(desired: Desired) -> Desired:
    """The flow with what it calls, as it is shipped."""
    called = replace(desired, flow=replace(desired.flow, name="called"))
    first, _ = with_releases((replace(desired, docker_tasks=("called",)), called), {})
    return first


def test_the_rows_that_the_spec_does_not_hold_are_those_the_page_says(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository")
    project = load(root)
    (flow,) = project.flows
    found = {row_of(name) for target in targets(project) for name in spec_origins(target, flow.deployments)}
    rows = [row.pattern for row in documented()]
    first, last = (rows.index(str(row_of(name))) for name in ("deployments.a.env", "targets.a.results"))
    assert found == {*rows[first : last + 1]}


def test_every_input_is_documented_and_every_documented_input_is_one(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository")
    write_files(root, {"flows/hello/Dockerfile.j2": '{% extends "Dockerfile.j2" %}'})
    write_files(root, {"registry.toml": (root / "registry.toml").read_text("utf-8") + IN_A_BUCKET})
    lock(root)
    settings = root / "flows/hello/flow.toml"
    settings.write_text('check-seconds = 300\ncheck-memory = "4Gi"\n' + settings.read_text("utf-8"), "utf-8")
    inputs = {name for one in desire_everywhere(root) for name in calling(one).inputs.by_name()}
    assert [name for name in inputs if row_of(name) is None] == []
    assert {row_of(name) for name in inputs} == {row.pattern for row in documented()}
