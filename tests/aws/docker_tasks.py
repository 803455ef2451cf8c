"""A flow in one ECS task that calls a flow in another, and gets its value and its exception back through S3."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flowyard.values import Json
from tests.aws.ecs_task import Task
from tests.aws.recorded import Recorded
from tests.support import write_files

CALLED = '''"""Made by a test."""

from prefect import flow


@flow
def mirror(value: object, edition: int = {edition}) -> list[object]:
    """The value, and which edition has seen it."""
    if value is None:
        raise ValueError("there is nothing to see")
    return [edition, value]
'''
CALLING = '''"""Made by a test."""

import datetime
from decimal import Decimal

from flowyard import ChildFailed, docker_task
from prefect import flow

mirror = docker_task("mirror")


@flow
def calling() -> dict[str, object]:
    """What came back of a large value, and of a call that fails."""
    large = {"raw": bytes(range(256)) * 50_000, "day": datetime.date(2026, 3, 6), "sums": (Decimal("1.10"),)}
    empty = mirror.submit(None)
    edition, seen = mirror(large)
    try:
        empty.result()
    except ValueError as error:
        cause = error.__cause__
        raised = [str(error), isinstance(cause, ChildFailed) and "in mirror" in cause.traceback]
    return {"edition": edition, "same": seen == large, "raised": raised}
'''


@dataclass(frozen=True)
class Crossed:
    """What the calling flow has returned; the task definition that its pin names; and all tasks of its run."""

    returned: Json
    pinned: str
    tasks: list[Task]


def write_both(made: Recorded, edition: int) -> None:
    """Write the folders of both flows."""
    files = {"flows/mirror/flow.py": CALLED.format(edition=edition), "flows/calling/flow.py": CALLING}
    write_files(made.root, files)


def cross(made: Recorded) -> Crossed:
    """Run the calling flow, after the flow that it calls was shipped once more without it."""
    write_both(made, 2)
    made.program("ci", "mirror")
    before = len(made.executor.tasks())
    finished = made.program("run", "run", "calling")
    caller, *_ = tasks = made.executor.tasks()[before:]
    (container,) = caller.definition["containerDefinitions"]
    env = {one["name"]: one["value"] for one in container["environment"]}
    pin = json.loads(env["FLOWYARD_DOCKER_TASKS"])["mirror"]["default"]
    pinned = made.prefect.request("GET", f"/deployments/{pin['id']}")
    return Crossed(
        json.loads(finished.stdout),
        str(pinned["job_variables"]["task_definition_arn"]),
        tasks,
    )
