"""The flow that calls and the flow that is called, in the tests of Docker tasks."""

from __future__ import annotations

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
    if act == "large":
        return b"x" * (80 << 20)
    if act == "socket":
        import socket
        return socket.socket()
    if act in ("once", "gated"):
        # One file for each time it runs.
        with open(f"/var/lib/flowyard/results/{value}-{time.time_ns()}", "w"):
            pass
        while act == "gated" and not os.path.exists(f"/var/lib/flowyard/results/gate {value}"):
            time.sleep(0.1)
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
    begun += [called.submit("type", (1, 2)), called.with_options(logs=True).submit("image")]
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
    if act == "wait":
        await asyncio.gather(called.acall(seconds=600), called.acall(seconds=601))
    many = [called.submit(value=each) for each in (1, 2)]
    try:
        called()
    except DockerTaskError as error:
        refused = str(error)
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

OUTAGES = '''"""Made by a test."""

import os
import time
from pathlib import Path

from flow import called, told
from prefect import flow

RESULTS = Path("/var/lib/flowyard/results")
FULL = "file:///dev/shm/full"  # 64 MB
REFUSED = "file:///opt/refused"  # of root's


@flow
def outages(act: str, value: str) -> object:
    """What becomes of calls while something is away; the test says when it is."""
    never = f"{value}-never"
    found = {"never": gated(never, lambda: called.with_options(start_timeout=5)("once", never))}
    ends = [f"{value}-{end}" for end in ("during", "after")]
    begun = gated(f"{value}-restart", lambda: [called.submit("gated", each) for each in ends])
    found["restart"] = [told(each.result) for each in begun["value"]]
    found["ran"] = sorted(path.name.rpartition("-")[0] for path in RESULTS.glob(f"{value}-*"))
    return {**found, **storages()}


def gated(name, act):
    """Act as soon as the test says so."""
    while not (RESULTS / f"gate {name}").exists():
        time.sleep(0.1)
    return told(act)


def storages():
    """Of storages that fail: on the called side, and on this one."""
    begun = {
        "theirs is full": elsewhere(FULL).submit("large"),
        "theirs is refused": elsewhere(REFUSED).submit(),
        "theirs is another": elsewhere(FULL).submit(value=(1, 2)),
    }
    found = {}
    for name, place in (("full", FULL), ("refused", REFUSED)):
        os.environ["FLOWYARD_RESULTS"] = place
        found[f"ours is {name}"] = told(lambda: called(value=b"x" * (80 << 20)))
    found["left"] = [path.name for path in Path("/dev/shm/full").rglob("*") if path.is_file()]
    return {**found, **{name: told(future.result) for name, future in begun.items()}}


def elsewhere(place):
    return called.with_options(job_variables={"env": {"FLOWYARD_RESULTS": place}})
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
[deployments.outages]
entrypoint = "outages.py:outages"
"""
