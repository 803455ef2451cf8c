"""Docker tasks of a flow that is started by hand: `python flows/calling/flow.py`, with images that were only built."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from flowyard.embedded.state import api_url
from tests.integration.docker_task_flows import CALLED
from tests.integration.pipeline_projects import SmallProject, environment, fill
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

CALLING = '''"""Made by a test."""

import asyncio
import json

from flowyard import docker_task
from prefect import flow

called = docker_task("called")


def told(call):
    """What a call raises, or gives."""
    try:
        return call()
    except Exception as error:
        return [type(error).__name__, str(error)]


@flow
def calling():
    small = called.with_options(job_variables={"mem_limit": "300m"})
    begun = {
        "value": called.submit(value=(1, {2}, b"x" * 100_000)),
        "image": called.submit("image"),
        "raise": called.submit("raise", "bread"),
        "exit": called.submit("exit"),
        "memory": small.submit("memory"),
        "result": called.submit("socket"),
        "timeout": called.with_options(timeout=15).submit(seconds=600),
    }
    found = {name: told(one.result) for name, one in begun.items()}
    found["value"] = found["value"] == (1, {2}, b"x" * 100_000)
    found["mapped"] = [one.result() for one in called.map(value=[1, 2, 3], limit=2)]
    found["awaited"] = asyncio.run(called.acall(value="a"))
    found["unknown"] = told(lambda: docker_task("other")())
    print("FOUND", json.dumps(found), flush=True)
    called(seconds=600)


if __name__ == "__main__":
    calling()
'''
LEAVING = '''"""Made by a test: begins a call and comes to its end."""

from flowyard import docker_task

docker_task("called").submit("echo", 1, 3)
'''
RUNS = {"flow_runs": {"name": {"any_": ["called"]}}}


@pytest.fixture(scope="module")
def project(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """Two flows, of which one was built, and none shipped."""
    root = tmp_path_factory.mktemp("local") / "project"
    made = SmallProject(root, f"test-{root.parent.name}-{time.time_ns():x}"[:40], session_yard)
    fill(made)
    made.flow("called", CALLED)
    made.flow("calling", CALLING)
    made.write("flows/calling/leaving.py", LEAVING)
    built = made.program("build", "flows/called")
    assert built.returncode == 0, built.stderr
    return made


@pytest.fixture
def without_server(tmp_path: Path) -> dict[str, str]:
    """Settings of a machine on which nobody has set Prefect up."""
    return {
        "PREFECT_HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),  # where the folder of a caller that is killed stays
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }


def started(project: SmallProject, file: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, file],
        cwd=project.root,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def containers(engine: docker.DockerClient, project: SmallProject) -> list[str | None]:
    """The containers of the project's images."""
    images = engine.images.list(filters={"label": f"io.flowyard.project={project.name}"})
    every = [str(image.id) for image in images]
    return [
        one.id
        for each in every
        for one in engine.containers.list(all=True, filters={"ancestor": each}, ignore_removed=True)
    ]


def until(engine: docker.DockerClient, project: SmallProject, count: int, seconds: float) -> None:
    """Wait until there are so many containers."""
    deadline = time.monotonic() + seconds
    while (found := len(containers(engine, project))) != count:
        assert time.monotonic() < deadline, f"{found} containers, and {count} are expected"
        time.sleep(0.2)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if line.startswith("FOUND "):
            return


def test_what_comes_back_and_that_nothing_is_left_of_a_caller_that_is_killed(
    project: SmallProject, engine: docker.DockerClient, without_server: dict[str, str]
) -> None:
    process = started(project, "flows/calling/flow.py", without_server)
    try:
        last = list(lines(process))[-1:]
        assert last, process.communicate()[1]
        found = json.loads(last[0].removeprefix("FOUND "))
        until(engine, project, 1, 120)
        process.kill()
        until(engine, project, 0, 60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # Prefect's temporary server outlives a caller that is killed
        process.communicate()
    plain = {"value": True, "mapped": [1, 2, 3], "awaited": "a"}
    assert {name: found[name] for name in plain} == plain
    assert found["image"] == {"folder": "/opt/project/flows/called", "user": 10001}
    raised = {
        name: tuple(each) for name, each in found.items() if isinstance(each, list) and name != "mapped"
    }
    assert {name: kind for name, (kind, _) in raised.items()} == {
        "raise": "ValueError",
        "exit": "ChildCrashed",
        "memory": "OutOfMemory",
        "result": "ResultNotSerialisable",
        "timeout": "ChildTimedOut",
        "unknown": "NotPinned",
    }
    assert raised["raise"][1] == "no bread today"
    assert "exited with status code: 17" in raised["exit"][1]
    assert raised["unknown"][1].endswith(
        "flows/other on the local Docker engine: build it, or ship it. There are images of: called"
    )


def test_a_script_that_ends_waits_for_what_it_has_begun(
    project: SmallProject, engine: docker.DockerClient
) -> None:
    """In the server that its user has set up, where the called flow is seen."""
    api = api_url(project.running.state)
    before = len(project.api.request("POST", "/flow_runs/filter", RUNS))
    process = started(project, "flows/calling/leaving.py", {"PREFECT_API_URL": api})
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert containers(engine, project) == []
    runs = project.api.request("POST", "/flow_runs/filter", RUNS)
    assert ([one["state_type"] for one in runs[before:]], len(runs)) == (["COMPLETED"], before + 1)
