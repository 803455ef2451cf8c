"""Little projects in tests/golden: what becomes of each, file by file. `pytest --update-golden` rewrites them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.aws.arns import FlowOwner
from flowyard.build import buildx_argv
from flowyard.building.workshop import Workshop, build_request
from flowyard.fingerprints import KEY_LENGTH
from flowyard.images import Digest, PublishedImage
from flowyard.inputs import Inputs
from flowyard.load import load
from flowyard.plan import Desired, Observed, make_plan
from flowyard.planning.desired import want
from flowyard.planning.key import key_of
from flowyard.registering.deployment import Marks, Pinned, payload
from flowyard.registering.task_definitions import definitions
from flowyard.releasing.order import Commit
from flowyard.render import render
from flowyard.report import plan_json, plan_text
from flowyard.values import FlowDescription, Json, Project
from tests.fakes_builder import NoBuilder
from tests.golden_files import GOLDEN, compare
from tests.support import FakeUv, lock, make_project, target_of

CASES = (
    *("minimal", "full", "own_prefect", "ecs", "results_in_bucket"),
    *("extended_template", "overridden_blocks", "own_template", "own_dockerfile"),
)
IMAGE = Digest(f"sha256:{'d' * 64}")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition"
COMMIT = Commit("0123456789abcdef0123456789abcdef01234567", dirty=False)
PARAMETERS = {"type": "object", "properties": {"day": {"type": "string", "title": "day"}}}


def prepared(case: str, root: Path) -> Project:
    """The case's project with the repository's own templates and locks that a fake uv made."""
    make_project(root, {"flows/hello/flow.py": None, "registry.toml": None})
    (root / "flows/hello").rmdir()
    shutil.copytree(GOLDEN / case / "project", root, dirs_exist_ok=True)
    lock(root, FakeUv(conflicts=["conflicting"]))
    return load(root)


def stable(desired: Desired) -> Desired:
    """With a key that Flowyard's own runtime part is no part of: it may change without any template.

    tests/unit/test_key.py holds that it is one of the inputs.
    """
    named = desired.inputs.by_name().items()
    inputs = {name: value for name, value in named if not name.startswith("flowyard ")}
    key = key_of(inputs)
    assert len(desired.key) == len(key) == KEY_LENGTH
    return replace(desired, key=key, reference=replace(desired.reference, tag=key), inputs=Inputs.of(inputs))


def argv(project: Project, desired: Desired) -> str:
    """The words of the build's command line, one a line, with the staged context as `CONTEXT`."""
    workshop = Workshop(
        project=project,
        target=target_of(project),
        render=render,
        builder=NoBuilder(),
        stop=lambda: None,
        progress=SilentProgress(),
        commit=lambda paths: COMMIT,
        contexts=project.root / ".flowyard/contexts",
    )
    request = build_request(workshop, desired, COMMIT, push_to=desired.reference.repository)
    assert (request.context / "Dockerfile").read_text("utf-8") == desired.dockerfile
    words = buildx_argv(replace(request, context=Path("CONTEXT")), Path("METADATA"))
    return "\n".join([*words, ""])


def task_definitions(project: Project, desired: Desired) -> dict[str, dict[str, Json]]:
    """What is registered for each deployment before it, where the work pool's type asks for it."""
    target = target_of(project)
    owner = FlowOwner(project.name, target.name, desired.flow.name, "the work pool's id")
    found = definitions(target, owner, desired, PublishedImage(desired.reference.repository, IMAGE))
    return {name: definition.request() for name, definition in found.items()}


def deployments(project: Project, desired: Desired) -> list[dict[str, Json]]:
    """The payload of each deployment."""
    target = target_of(project)
    marks = Marks(
        project=project.name,
        target=target.name,
        flow=desired.flow.name,
        key=desired.key,
        spec=desired.spec,
        commit=COMMIT.sha,
        repository=str(desired.reference.repository),
    )
    image = PublishedImage(desired.reference.repository, IMAGE)
    arns = {name: f"{ARN}/{found['family']}:1" for name, found in task_definitions(project, desired).items()}
    described = {
        one.name: FlowDescription("id", one.entrypoint, "x", "x", "A flow.", PARAMETERS)
        for one in desired.deployments
    }
    return [
        payload(target, one, described[one.name], Pinned(image, arns.get(one.name)), marks)
        for one in desired.deployments
    ]


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    project = prepared(case, tmp_path / "project")
    target = target_of(project)
    (flow,) = project.flows
    desired = stable(want(project, flow, target))
    plan = make_plan(target.name, [desired], Observed(), whole=True)
    inputs = "".join(f"{value}  {name}\n" for name, value in sorted(desired.inputs.by_name().items()))
    found = {
        "Dockerfile": desired.dockerfile,
        "plan.txt": plan_text(plan) + "\n",
        "plan.json": plan_json(plan) + "\n",
        "deployment.json": json.dumps(deployments(project, desired), indent=2) + "\n",
        "argv.txt": argv(project, desired),
        "inputs.txt": inputs,
    }
    defined = task_definitions(project, desired)
    if defined:
        found["task_definitions.json"] = json.dumps(defined, indent=2) + "\n"
    update = bool(request.config.getoption("--update-golden"))
    compare(GOLDEN / case / "expected", found, update=update)


def test_every_project_is_tried() -> None:
    assert {path.parent.name for path in GOLDEN.glob("*/project")} == set(CASES)
