"""How a run starts and ends under the image's own executor: the delay is told, cancelling and crashing work."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from flowyard.running.delay import Delay, measure
from flowyard.running.run import POLL_SECONDS
from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

SECONDS = 90.0
FLOW = '''import time

from prefect import flow
from prefect.variables import Variable


def keep(flow, flow_run, state):
    Variable.set("kept_" + flow_run.id.hex, state.type.value)


@flow(on_cancellation=[keep], on_crashed=[keep])
def run_long(seconds: float = 0) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds
'''
PHASES = [
    *("queue", "worker poll", "submission", "pull"),
    *("container start", "Prefect's start", "imports", "engine"),
]
EXECUTE = "-m flowyard.runtime.execute"
STOCK = """[deployments.default]

[deployments.stock]
env = { FLOWYARD_RUNNER = "prefect" }
"""


def within(what: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What is asked for, as soon as it is there."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_SECONDS)
    return found


def triggered(project: SmallProject, name: str, seconds: float) -> str:
    """A new run of the flow: its id."""
    deployment = project.deployment("run_long", name)
    body = {"parameters": {"seconds": seconds}}
    return str(project.api.request("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"])


def state(project: SmallProject, run: str) -> str:
    return str(project.api.request("GET", f"/flow_runs/{run}")["state"]["type"])


def kept(project: SmallProject, run: str) -> Any:
    """What the flow's hook wrote down."""
    wanted = {"variables": {"name": {"any_": [f"kept_{run.replace('-', '')}"]}}}
    found = project.api.request("POST", "/variables/filter", wanted)
    return [one["value"] for one in found]


def running(project: SmallProject, engine: docker.DockerClient, run: str) -> Container:
    """The container of a run that has come to its flow."""
    within(lambda: state(project, run) == "RUNNING")
    (container,) = engine.containers.list(
        filters={"label": f"io.prefect.flow-run-id={run}"}, ignore_removed=True
    )
    return container


@dataclass(frozen=True)
class Process:
    """A process of a container, as this machine sees it."""

    pid: int
    parent: int
    command: str


def processes(container: Container) -> list[Process]:
    """The container's processes, in the order in which they came."""
    top = container.top()
    pid, parent, command = (top["Titles"].index(name) for name in ("PID", "PPID", "CMD"))
    return sorted(
        (
            Process(int(row[pid]), int(row[parent]), row[command].partition(" ")[2])
            for row in top["Processes"]
        ),
        key=lambda each: each.pid,
    )


def engine_of(container: Container) -> int:
    """The pid of the process that runs the flow: a copy of the one that executes the run."""
    executing = {each.pid: each.parent for each in processes(container) if each.command == EXECUTE}
    (found,) = [pid for pid, parent in executing.items() if parent in executing]
    return found


def gone(engine: docker.DockerClient, run: str) -> bool:
    return not engine.containers.list(
        all=True, filters={"label": f"io.prefect.flow-run-id={run}"}, ignore_removed=True
    )


def cancelled(project: SmallProject, engine: docker.DockerClient, run: str) -> None:
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    project.api.request("POST", f"/flow_runs/{run}/set_state", body)
    within(lambda: state(project, run) == "CANCELLED")
    assert within(lambda: kept(project, run)) == ["CANCELLING"]
    within(lambda: gone(engine, run))


def completely_measured(project: SmallProject, run: str) -> Delay | None:
    measured = measure(project.api, run)
    return measured if measured and [phase.name for phase in measured.phases] == PHASES else None


def test_runs_are_measured_cancelled_and_found_crashed(
    project: SmallProject, engine: docker.DockerClient
) -> None:
    project.flow("run_long", FLOW, STOCK)
    project.shipped()
    ours, other = triggered(project, "default", 600), triggered(project, "default", 600)
    container = running(project, engine, ours)
    commands = [each.command for each in processes(container)]
    assert [command for command in commands if "prefect" in command or "flowyard" in command] == [
        "-- /opt/venv/bin/python -I -S /opt/flowyard/lib/flowyard/runtime/start.py prefect flow-run execute",
        *(EXECUTE, EXECUTE),
    ]
    cancelled(project, engine, ours)

    container = running(project, engine, other)
    os.kill(engine_of(container), signal.SIGKILL)
    within(lambda: state(project, other) == "CRASHED")
    assert within(lambda: kept(project, other)) == ["CRASHED"]
    within(lambda: gone(engine, other))

    killed, stock = triggered(project, "default", 600), triggered(project, "stock", 600)
    running(project, engine, killed).kill()
    within(lambda: state(project, killed) == "CRASHED")
    assert any(
        "prefect flow-run execute" in each.command for each in processes(running(project, engine, stock))
    )
    cancelled(project, engine, stock)

    done = project.program("run", "run_long/default", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    delay = told["delay"]
    # What the worker tells the server keeps for some seconds; until then the phases between are joined.
    assert ", ".join(phase["name"] for phase in delay["phases"]) == ", ".join(PHASES)
    assert sum(phase["seconds"] for phase in delay["phases"]) == pytest.approx(delay["seconds"], abs=0.01)
    assert 0 < delay["to_running"] <= delay["seconds"] < SECONDS
    complete = within(lambda: completely_measured(project, told["run"]["id"]))
    assert complete.seconds == delay["seconds"]
    seconds = {phase.name: phase.seconds for phase in complete.phases}
    assert min(seconds["container start"], seconds["Prefect's start"], seconds["imports"]) > 0
    assert (
        f"from trigger to the first line of the flow: {delay['seconds']:.2f} s (queue 0.00, " in done.stderr
    )
    assert "importing flow.py" not in done.stderr
