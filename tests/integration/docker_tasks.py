"""A flow that calls and a flow that is called, shipped once, with pins as a ship would make them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flowyard.ports import PrefectApi
from flowyard.running.run import Patient, Triggered, follow, result_of
from flowyard.wiring import open_results
from tests.integration.docker_task_flows import CALLED, CALLED_DEPLOYMENTS, CALLING, DEPLOYMENTS, OUTAGES
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.yard import RunningYard

SECONDS = 600.0  # that a machine may need which is busy with other tests


@dataclass(frozen=True)
class Pinned:
    """A project whose flow `calling` was shipped; what it calls is pinned."""

    project: SmallProject
    pins: dict[str, dict[str, dict[str, str]]]

    @property
    def asked(self) -> PrefectApi:
        """The server, when it is asked something: it may be busy for a while."""
        return Patient(self.project.api, print)

    def trigger(self, act: str, name: str = "default", **more: Any) -> Triggered:
        """Begin a run of a deployment of `calling` that does this."""
        deployment = self.project.deployment("calling", name)
        variables = dict(deployment["job_variables"])
        env = {**variables["env"], "FLOWYARD_DOCKER_TASKS": json.dumps(self.pins), **more.pop("env", {})}
        body = {"parameters": {"act": act, **more}, "job_variables": {"env": env}}
        run = self.project.api.request("POST", f"/deployments/{deployment['id']}/create_flow_run", body)
        return Triggered(run["id"], run["name"], name, variables["image"])

    def run(self, run: str) -> dict[str, Any]:
        """A flow run as the server has it."""
        found: dict[str, Any] = self.asked.request("GET", f"/flow_runs/{run}")
        return found

    def result(self, run: Triggered) -> Any:
        """What the flow of a run has returned, once it has."""
        finished = follow(self.project.api, run, lambda _: None, SECONDS)
        return result_of(run, finished, open_results(self.project.running.target))["json"]

    def cancel(self, run: str) -> None:
        """Ask for its cancellation, as the UI does."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self.project.api.request("POST", f"/flow_runs/{run}/set_state", body)

    def called(self, run: str) -> list[dict[str, Any]]:
        """The runs that this run has called, in the order in which they were made."""
        body = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        found: list[dict[str, Any]] = self.asked.request("POST", "/flow_runs/filter", body)
        return sorted(found, key=lambda one: str(one["created"]))

    def until(self, run: str, states: tuple[str, ...], seconds: float = SECONDS) -> dict[str, Any]:
        """The run once it is in one of these states."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.run(run)
            if found["state_type"] in states:
                return found
            assert time.monotonic() < deadline, (found["state"], states)
            time.sleep(0.1)

    def until_called(self, run: str, count: int, seconds: float = SECONDS) -> list[dict[str, Any]]:
        """The runs that this one has called, once so many of them are being executed."""
        deadline = time.monotonic() + seconds
        while True:
            found = [one for one in self.called(run) if one["state_type"] == "RUNNING"]
            if len(found) == count:
                return found
            assert time.monotonic() < deadline, [one["state"] for one in self.called(run)]
            time.sleep(0.1)


@contextmanager
def pinned_project(yard: RunningYard, root: Path) -> Iterator[Pinned]:
    """A project of its own with both flows; their deployments are gone when the block ends."""
    project = SmallProject(root, f"test-{uuid.uuid4().hex[:12]}", yard)
    fill(project)
    yield ship_both(project)
    for deployment in project.deployments().values():
        project.api.request("DELETE", f"/deployments/{deployment['id']}")


def ship_both(project: SmallProject) -> Pinned:
    """Ship a new edition of both flows; beside their pins, `missing` is one whose image is nowhere."""
    edition = uuid.uuid4().hex
    project.flow("called", CALLED.replace("EDITION_OF_TEST", edition), CALLED_DEPLOYMENTS)
    project.flow("calling", CALLING.replace("EDITION_OF_TEST", edition), DEPLOYMENTS)
    project.write("flows/calling/outages.py", OUTAGES)
    outcomes = project.ship()
    assert [one.error.message for one in outcomes.values() if one.error] == []
    pins = pins_of(project)
    pin = project.api.request("GET", f"/deployments/{pins['called']['default']['id']}")
    image = f"{pin['job_variables']['image'][:-4]}0000"
    kept = ("flow_id", "entrypoint", "pull_steps", "parameter_openapi_schema", "work_pool_name", "tags")
    body = {name: pin[name] for name in kept}
    body |= {"name": "pin-missing", "job_variables": {**pin["job_variables"], "image": image}}
    made = project.api.request("POST", "/deployments/", body)
    pins["called"]["missing"] = {"id": made["id"], "image": image, "release": ""}
    return Pinned(project, pins)


def when(run: dict[str, Any]) -> float:
    """When a run came to its state, by the clock of this machine and its containers."""
    return datetime.fromisoformat(run["state"]["timestamp"]).timestamp()


def pins_of(project: SmallProject) -> dict[str, dict[str, dict[str, str]]]:
    """What the deployments of `calling` carry."""
    env = project.deployment("calling")["job_variables"]["env"]
    found: dict[str, dict[str, dict[str, str]]] = json.loads(env["FLOWYARD_DOCKER_TASKS"])
    return found
