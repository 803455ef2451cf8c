"""A flow that calls and a flow that is called, shipped once, with pins as a ship would make them."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from flowyard.ports import PrefectApi
from flowyard.run import Patient, Triggered
from tests.integration.pipeline_projects import SmallProject

SECONDS = 600.0  # that a machine may need which is busy with other tests
CALLED = '''"""Made by a test."""

import os
import sys
import time
from dataclasses import dataclass

from prefect import flow
from shared.days import resolve_day

EDITION = "EDITION_OF_TEST"


class NotEnough(ValueError):
    def __init__(self, wanted: int) -> None:
        super().__init__(f"{wanted} are too many")
        self.wanted = wanted


@flow
def called(act: str = "echo", value: object = None, seconds: float = 0.0) -> object:
    """Do what a test asks for."""
    print("called to", act, flush=True)
    time.sleep(seconds)
    if act == "image":
        return {"folder": os.getcwd(), "user": os.getuid()}
    if act == "type":
        return f"{type(value).__module__}.{type(value).__qualname__}"
    if act == "raise":
        raise ValueError(f"no {value} today")
    if act == "raise own":
        raise NotEnough(7)
    if act == "exit":
        os._exit(17)
    if act == "kill":
        os.kill(os.getpid(), 9)
    if act == "memory":
        held = [bytearray(8 << 20) for _ in range(256)]
        return len(held)
    if act == "socket":
        import socket
        return socket.socket()
    if act == "once":
        # One file for each time it runs.
        with open(f"/var/lib/flowyard/results/{value}-{time.time_ns()}", "w"):
            pass
        return "done"
    if act == "fail once":
        path = f"/var/lib/flowyard/results/failed-{value}"
        if not os.path.exists(path):
            open(path, "w").close()
            raise RuntimeError("the first time")
    return value
'''

CALLING = '''"""Made by a test."""

import asyncio
import datetime
import os
import time
from decimal import Decimal
from pathlib import Path

from flowyard import DockerTaskError, docker_task
from prefect import flow, task

EDITION = "EDITION_OF_TEST"
called = docker_task("called")


def told(call):
    """What a call raises, or gives."""
    try:
        return {"value": call()}
    except Exception as error:
        cause = error.__cause__
        kind, text = type(error).__name__, str(error)
        return {"raised": kind, "text": text, "trace": getattr(cause, "traceback", "")[-200:]}


@task
def in_a_task(value):
    return called(value=value)


def values():
    large = "x" * 300_000
    moment = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
    mixed = {"tuple": (1, {2}), "when": moment, "sum": Decimal("1.10"), "raw": b"\\x00" * 100_000, 3: None}
    begun = [called.submit("echo", [1, "two", None]), called.submit(value=large), called.submit(value=mixed)]
    begun += [called.submit("type", (1, 2)), called.submit("image")]
    plain, text, objects, kind, image = [one.result() for one in begun]
    return {
        "plain": plain,
        "large": text == large,
        "mixed": objects == mixed,
        "tuple": kind,
        "image": image,
        "task": in_a_task("in a task"),
        "mapped": [one.result() for one in called.map(value=[1, 2, 3], limit=2)],
    }


def failures(key):
    begun = {
        "raise": called.submit("raise", "bread"),
        "own": called.submit("raise own"),
        "exit": called.submit("exit"),
        "kill": called.submit("kill"),
        "result": called.submit("socket"),
        "timeout": called.with_options(timeout=4).submit("echo", 1, 600),
        "image": called.with_options(deployment="missing").submit(),
        "memory": called.with_options(deployment="small").submit("memory"),
        "retried": called.with_options(retries=1).submit("fail once", key),
    }
    at_once = {
        "argument": told(lambda: called(value=lambda: 1)),
        "name": told(lambda: called(what=1)),
        "type": told(lambda: called(seconds="long")),
        "unknown": told(lambda: docker_task("other")()),
        "deployment": told(lambda: called.with_options(deployment="other")()),
    }
    return {**at_once, **{name: told(future.result) for name, future in begun.items()}}


@task(retries=1)
def once_in_a_task(value, marker):
    found = called("once", value)
    if not marker.exists():
        marker.touch()
        raise RuntimeError("the task, the first time")
    return found


@flow(retries=1)
def again(act: str, value: str) -> object:
    """A flow whose first attempt ends after it has called."""
    marker = Path(f"/var/lib/flowyard/results/{act}-{value}")
    found = [one.result() for one in called.map("once", [f"{value}-equal"] * 2)]
    found.append(called("once", f"{value}-single"))
    found.append(once_in_a_task(f"{value}-task", marker.with_suffix(".task")))
    if not marker.exists():
        marker.touch()
        if act == "crash":
            os._exit(3)
        raise RuntimeError("the flow, the first time")
    return found


@flow
async def calling_async(act: str, value: str) -> object:
    """A flow with an event loop."""
    many = [called.submit(value=each) for each in (1, 2)]
    try:
        called()
    except DockerTaskError as error:
        refused = str(error)
    if act == "wait":
        await asyncio.gather(called.acall(seconds=600), called.acall(seconds=601))
    return [await called.acall(value=value), *[await one.aresult() for one in many], refused]


@flow
def calling(act: str, seconds: float = 0.0, value: object = None) -> object:
    if act == "values":
        return values()
    if act == "failures":
        return failures(value)
    if act == "stuck":
        return told(lambda: called.with_options(start_timeout=4)(value=value))
    if act == "wait":
        return called("echo", value, seconds)
    if act == "when":
        return {**told(lambda: called("echo", value, seconds)), "when": time.time()}
    if act == "map":
        return [one.result() for one in called.map(value=[1, 2, 3], seconds=seconds)]
'''


CALLED_DEPLOYMENTS = """
[deployments.default]
[deployments.small]
resources = { memory = "300Mi" }
"""
DEPLOYMENTS = """
docker-tasks = ["called"]  # not read from the code, which names one that is not there
[deployments.default]
entrypoint = "flow.py:calling"
[deployments.again]
entrypoint = "flow.py:again"
[deployments.async]
entrypoint = "flow.py:calling_async"
"""


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


def ship_both(project: SmallProject) -> Pinned:
    """Ship a new edition of both flows; beside their pins, `missing` is one whose image is nowhere."""
    edition = uuid.uuid4().hex
    project.flow("called", CALLED.replace("EDITION_OF_TEST", edition), CALLED_DEPLOYMENTS)
    project.flow("calling", CALLING.replace("EDITION_OF_TEST", edition), DEPLOYMENTS)
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


def pins_of(project: SmallProject) -> dict[str, dict[str, dict[str, str]]]:
    """What the deployments of `calling` carry."""
    env = project.deployment("calling")["job_variables"]["env"]
    found: dict[str, dict[str, dict[str, str]]] = json.loads(env["FLOWYARD_DOCKER_TASKS"])
    return found
