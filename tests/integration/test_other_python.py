"""A flow on another Python than the rest: locked, built, checked, described, pushed, registered, and called.

The flow is first shipped on the usual Python, beside one that calls it as a Docker task. Then its flow.toml names
another base, and everything that is to follow does.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from flowyard.configuration.paths import LOCAL_FILE
from flowyard.images import PublishedImage, published
from flowyard.values import Json
from tests.integration.image_content import Content, content_of
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.test_pipeline_run import ended, trigger
from tests.integration.test_same_image import EMPTY_LAYER
from tests.integration.yard import RunningYard, pushed_base

pytest_plugins = ("tests.integration.pipeline_fixtures",)

BASE = "python:3.11-slim"
USUAL, LOCK = (f"images/locks/prefect-{python}.lock" for python in ("3.13", "3.11"))
SITE = "opt/venv/lib/python3.11/site-packages"
OWN = "flows/older/requirements.lock"
OLDER = '''"""Made by a test."""

import sys
from datetime import date
from enum import Enum
from importlib.util import find_spec

from prefect import flow
from pydantic import BaseModel
from typing_extensions import TypedDict

EDITION = "{edition}"


class Size(Enum):
    SMALL = "small"
    BIG = "big"


class Place(TypedDict):
    town: str


class Order(BaseModel):
    day: date
    size: Size = Size.SMALL
    place: Place


@flow
def older(order: Order, size: Size = Size.BIG) -> tuple[str, str, str, date]:
    """Say what came."""
    python = ".".join(map(str, sys.version_info[:2]))
    found = "tabulate" if find_spec("tabulate") else ""
    return python, found, f"{{order.size.name}} {{order.place['town']}} {{size.name}}", order.day
'''
CALLER = '''"""Made by a test."""

import sys

from flowyard import docker_task
from prefect import flow

EDITION = "{edition}"
older = docker_task("older")


@flow
def caller() -> dict[str, object]:
    """Call the other flow."""
    python, *more, day = older(order={{"day": "2026-03-02", "place": {{"town": "Lyon"}}}})
    return {{"own": sys.version_info[1], "called": python, "more": more, "day": f"{{day:%A}}"}}
'''


@dataclass(frozen=True)
class Moved:
    """The project after its flow moved to the other Python: what was said on the way, and both images."""

    project: SmallProject
    refused: tuple[int, str]
    locked: list[str]
    planned: dict[str, tuple[str, tuple[str, ...]]]
    before: Content
    after: Content


@pytest.fixture(scope="module")
def moved(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    root = tmp_path_factory.mktemp("pythons") / "project"
    project = SmallProject(root, f"test-{uuid.uuid4().hex[:12]}", session_yard)
    fill(project)
    edition = uuid.uuid4().hex
    project.flow("older", OLDER.format(edition=edition))
    project.flow("caller", CALLER.format(edition=edition))
    project.shipped()
    before = content_of(image_of(project))

    local = (root / LOCAL_FILE).read_text()
    project.write(LOCAL_FILE, local.replace("[bases]\n", f"[bases]\n{pushed_base(BASE, project.host)}\n"))
    project.write("flows/older/requirements.txt", "tabulate==0.9.0\n")
    project.settings("older", f'base = "{BASE}"\n')
    refused, locked = project.program("plan"), project.program("lock")
    assert locked.returncode == 0, locked.stderr
    planned = project.plan()
    project.shipped()
    said = (refused.returncode, refused.stderr)
    yield Moved(project, said, locked.stdout.splitlines(), planned, before, content_of(image_of(project)))
    for deployment in project.deployments().values():
        project.api.request("DELETE", f"/deployments/{deployment['id']}")


def image_of(project: SmallProject) -> PublishedImage:
    return published(project.deployment("older")["job_variables"]["image"])


def test_the_locks_of_the_other_python_are_asked_for_and_made(moved: Moved) -> None:
    assert moved.refused == (
        7,
        f"error: {LOCK} is missing\n  hint: run `python -m flowyard lock` and commit what it writes\n",
    )
    assert moved.locked == [LOCK, OWN]
    texts = [(moved.project.root / path).read_text() for path in (USUAL, LOCK)]
    assert len({tuple(re.findall(r"^prefect==\S+", text, re.MULTILINE)) for text in texts}) == 1
    for path in moved.locked:
        header, *lines = (moved.project.root / path).read_text().splitlines()
        packages = [line for line in lines if "==" in line]
        hashes = [line for line in lines if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)]
        assert header.startswith("# flowyard lock ")
        assert (len(packages) + len(hashes), len(hashes) >= len(packages)) == (len(lines), True)


def test_the_plan_says_why(moved: Moved) -> None:
    assert moved.planned["older"] == (
        "build",
        (
            "base image changed",
            f"{OWN} added",
            f"{LOCK} added",
            f"{USUAL} removed",
            "python changed",
        ),
    )
    assert {action for action, _ in moved.project.plan().values()} == {"unchanged"}


def test_the_image_says_which_python_it_has(moved: Moved) -> None:
    described = json.loads(moved.after.read("opt/flowyard/description.json"))
    found: dict[str, Json] = described
    assert found["python"].startswith("3.11.")
    (flow,) = found["flows"]
    registered = moved.project.deployment("older")["parameter_openapi_schema"]
    assert registered == {**flow["parameter_schema"], "additionalProperties": False}
    assert flow == json.loads(moved.before.read("opt/flowyard/description.json"))["flows"][0]


def test_the_images_differ_in_what_python_brings(moved: Moved) -> None:
    before, after = (content.above(3) for content in (moved.before, moved.after))
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    own = f"{SITE}/tabulate/__init__.py"
    assert (own in differing, {path for path in differing if not path.startswith("opt/venv")}) == (
        True,
        {"opt/flowyard/description.json"},
    )
    # Of base, Python and Prefect nothing is the same; of the flow and of what surrounds it everything.
    same = [layer for layer in moved.after.layers if layer in moved.before.layers]
    assert same in ([], [EMPTY_LAYER])
    one, other = (content.configuration["config"] for content in (moved.before, moved.after))
    assert {name for name in one if one[name] != other[name]} == {"Env", "Labels"}


def test_both_run_and_one_calls_the_other(moved: Moved) -> None:
    finished, result = ended(moved.project, trigger(moved.project, "caller"))
    assert finished.state == "COMPLETED"
    assert result == {"own": 13, "called": "3.11", "more": ["tabulate", "SMALL Lyon BIG"], "day": "Monday"}
