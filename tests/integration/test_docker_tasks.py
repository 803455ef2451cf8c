"""Docker tasks with real containers: what comes back, and what is raised."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest

from tests.integration.docker_task_flows import CALLED, CALLED_DEPLOYMENTS
from tests.integration.docker_tasks import Pinned, pinned_project, pins_of, when
from tests.integration.embedded_services import wait_for
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
KILLER = """
import os
parents = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/stat") as numbers:
        if b"flowyard.runtime.execute" in line.read():
            parents[pid] = numbers.read().rpartition(") ")[2].split()[1]
(engine,) = [pid for pid, parent in parents.items() if parent in parents]
os.kill(int(engine), 9)
"""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    with closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="module")
def pinned(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pinned]:
    """Both flows, shipped once for the module."""
    with pinned_project(session_yard, tmp_path_factory.mktemp("tasks") / "project") as made:
        yield made


def result(pinned: Pinned, act: str, name: str = "default", **more: Any) -> Any:
    """What a run of a deployment of `calling` returns."""
    return pinned.result(pinned.trigger(act, name, **more))


def test_values_come_back_as_they_are(pinned: Pinned) -> None:
    run = pinned.trigger("values")
    assert pinned.result(run) == {
        "plain": [1, "two", None],
        "large": True,
        "mixed": True,
        "tuple": "builtins.tuple",
        "image": {"folder": "/opt/project/flows/called", "user": 10001},
        "task": "in a task",
        "mapped": [1, 2, 3],
    }
    # One call asked for the log of what it called, to its last line.
    wait_for(lambda: "called | Finished in state Completed()" in messages(pinned, run.id), 120)


def messages(pinned: Pinned, run: str) -> list[str]:
    """What a run has logged."""
    body = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    return [line["message"] for line in pinned.project.api.request("POST", "/logs/filter", body)]


def test_every_way_to_fail_has_its_error(pinned: Pinned) -> None:
    found = result(pinned, "failures", value=uuid.uuid4().hex)
    assert {name: one.get("raised") for name, one in found.items()} == {
        "argument": "ArgumentNotSerialisable",
        "name": "ArgumentsRefused",
        "type": "ArgumentsRefused",
        "unknown": "NotPinned",
        "deployment": "NotPinned",
        "raise": "ValueError",
        "own": "ChildFailed",
        "exit": "ChildCrashed",
        "kill": "ChildCrashed",
        "result": "ResultNotSerialisable",
        "timeout": "ChildTimedOut",
        "image": "ImageMissing",
        "memory": "OutOfMemory",
        "retried": None,
    }
    assert found["raise"]["text"] == "no bread today"
    assert 'raise ValueError(f"no {value} today")' in found["raise"]["trace"]
    assert found["own"]["text"].startswith("Docker task 'called' raised flow.NotEnough: 7 are too many\n")
    assert "'value' is a builtins.function" in found["argument"]["text"]
    assert "status code: 17" in found["exit"]["text"]


@pytest.mark.parametrize("act", ["flow", "crash"])
def test_a_flow_that_runs_again_takes_up_what_it_called(pinned: Pinned, act: str) -> None:
    key = uuid.uuid4().hex[:8]
    run = pinned.trigger(act, "again", value=key)
    if act == "crash":
        pinned.until(run.id, ("CRASHED",))
        again = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
        pinned.project.api.request("POST", f"/flow_runs/{run.id}/set_state", again)
    assert pinned.result(run) == ["done"] * 4
    wanted = [f"{key}-equal", f"{key}-equal", f"{key}-single", f"{key}-task"]
    assert sorted(one["parameters"]["value"] for one in pinned.called(run.id)) == wanted
    assert {one["run_count"] for one in pinned.called(run.id)} == {1}


def test_in_an_event_loop(pinned: Pinned) -> None:
    *values, refused = result(pinned, "values", "async", value="v")
    assert (values, "await called.acall" in refused) == (["v", 1, 2], True)


def test_what_a_cancelled_flow_has_called_is_cancelled(pinned: Pinned) -> None:
    runs = [pinned.trigger("map", seconds=600.0), pinned.trigger("wait", "async", value="v")]
    called = [*pinned.until_called(runs[0].id, 3), *pinned.until_called(runs[1].id, 2)]
    began = time.time()
    for run in runs:
        pinned.cancel(run.id)
    ended = [pinned.until(one["id"], FINAL) for one in called]
    assert [one["state_type"] for one in ended] == ["CANCELLED"] * 5
    assert max(when(one) for one in ended) - began < 15
    assert {pinned.until(run.id, FINAL)["state_type"] for run in runs} == {"CANCELLED"}


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_killed_flow_has_called_ends(pinned: Pinned, engine: docker.DockerClient, whole: bool) -> None:
    run = pinned.trigger("wait", seconds=600.0)
    (called,) = pinned.until_called(run.id, 1)
    began = time.time()
    kill(engine, run.id, whole=whole)
    ended = pinned.until(called["id"], FINAL)
    assert (ended["state_type"], pinned.run(run.id)["state_type"]) == ("CANCELLED", "CRASHED")
    assert when(ended) - began < 60


def test_a_killed_container_is_noticed_at_once(pinned: Pinned, engine: docker.DockerClient) -> None:
    run = pinned.trigger("when", seconds=600.0)
    (called,) = pinned.until_called(run.id, 1)
    kill(engine, called["id"], whole=True)
    found = pinned.result(run)
    crashed = pinned.run(called["id"])
    assert (crashed["state_type"], found["raised"]) == ("CRASHED", "ChildCrashed")
    assert found["when"] - when(crashed) < 2


def test_a_pool_without_room_is_told_of(pinned: Pinned) -> None:
    pool = f"/work_pools/{pinned.project.running.target.work_pool}"
    pinned.project.api.request("PATCH", pool, {"concurrency_limit": 1})
    try:
        found = result(pinned, "stuck")
    finally:
        pinned.project.api.request("PATCH", pool, {"concurrency_limit": None})
    assert found["raised"] == "ChildNeverStarted"
    assert "runs 1 at once and all are taken, perhaps by the runs that wait for" in found["text"]


def test_a_caller_calls_what_it_was_shipped_with(pinned: Pinned) -> None:
    project = pinned.project
    before = pins_of(project)
    # Another edition, whose flow has another name: the pinned image knows it by its own.
    renamed = CALLED.replace("EDITION_OF_TEST", uuid.uuid4().hex).replace("def called(", "def renamed(")
    project.flow("called", renamed, CALLED_DEPLOYMENTS)
    assert project.plan()["calling"] == ("register", ("docker task called changed",))
    project.shipped("called")
    assert pins_of(project) == before
    assert result(pinned, "wait", value="as before") == "as before"
    assert project.plan()["calling"] == ("register", ("docker task called changed",))
    assert project.shipped() == {"called": "unchanged", "calling": "register"}
    after = pins_of(project)
    assert after["called"]["default"]["image"] == project.deployment("called")["job_variables"]["image"]
    assert after["called"]["default"]["id"] != before["called"]["default"]["id"]
    again = Pinned(project, after)
    assert result(again, "wait", value="anew") == "anew"
    assert project.plan()["calling"] == ("unchanged", ())


def kill(engine: docker.DockerClient, run: str, *, whole: bool) -> None:
    """Kill the container of a run, or the process of its flow only."""
    (container,) = engine.containers.list(
        filters={"label": f"io.prefect.flow-run-id={run}"}, ignore_removed=True
    )
    if whole:
        container.kill()
    else:
        container.exec_run(["/opt/venv/bin/python", "-c", KILLER])
