"""Shipped flows that really run: each in its own image, pulled by digest, and what reaches it there."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound
from docker.models.containers import Container

from flowyard.embedded.state import api_url
from flowyard.running.run import Finished, Triggered, follow, result_of
from flowyard.wiring import open_results
from tests.integration.pipeline_projects import SmallProject
from tests.integration.yard import ROOT

TYPES = "typings/flowyard/_docker_tasks/clean.pyi"
pytest_plugins = ("tests.integration.pipeline_fixtures",)

SECONDS = 120
PROBE = '''import os
import subprocess
import time

from prefect import flow
from shared.days import resolve_day

EDITION = "{edition}"


@flow
def run_probe(seconds: float = 0) -> dict[str, object]:
    """Say where it runs."""
    time.sleep(seconds)
    return {{
        "user": os.getuid(),
        "prefect": sorted(name for name in os.environ if name.startswith("PREFECT_") and "__" not in name),
        "region": os.environ.get("REGION"),
        "level": os.environ.get("PREFECT_LOGGING_LEVEL"),
        "api": os.environ["PREFECT_API_URL"],
        "folder": os.getcwd(),
        "shared": resolve_day.__module__,
    }}
'''
PROBED = """
[deployments.plain]
env = { REGION = "west", PREFECT_LOGGING_LEVEL = "WARNING" }

[deployments.networked]
job-variables = { networks = ["NETWORK"] }
"""
FAILING = """from prefect import flow


@flow
def run_failing(day: str) -> None:
    raise ValueError(f"no orders on {day}")
"""
TREE = '''import subprocess

from prefect import flow


@flow
def run_tree() -> str:
    """The first words of a program that only a Debian package brings."""
    return subprocess.run(["tree", "--version"], capture_output=True, text=True, check=True).stdout.split()[0]
'''


@pytest.fixture
def network(engine: docker.DockerClient) -> Iterator[str]:
    made = engine.networks.create(f"flowyard-test-{uuid.uuid4().hex[:12]}")
    yield str(made.name)
    made.remove()


def trigger(project: SmallProject, flow: str, name: str = "default", **body: Any) -> Triggered:
    """Start a run by REST, as any client of Prefect does."""
    deployment = project.deployment(flow, name)
    run = project.api.request("POST", f"/deployments/{deployment['id']}/create_flow_run", body)
    return Triggered(run["id"], run["name"], name, deployment["job_variables"]["image"])


def ended(project: SmallProject, run: Triggered) -> tuple[Finished, Any]:
    """Wait for the run: how it ended, and the result as the flow's own image reads it."""
    finished = follow(project.api, run, lambda _: None, SECONDS)
    return finished, result_of(run, finished, open_results(project.running.target))["json"]


def containers(engine: docker.DockerClient, run: Triggered) -> list[Container]:
    """The containers of a run, running or not."""
    return list(
        engine.containers.list(
            all=True, filters={"label": f"io.prefect.flow-run-id={run.id}"}, ignore_removed=True
        )
    )


def running(engine: docker.DockerClient, run: Triggered) -> dict[str, Any]:
    """The container of a run that is running, as the engine describes it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for container in containers(engine, run):
            if container.attrs["State"]["Running"]:
                return dict(container.attrs)
        time.sleep(0.1)
    raise AssertionError("no container of the run was seen")


def gone(engine: docker.DockerClient, run: Triggered) -> bool:
    """Whether the run's container is removed, within a while."""
    deadline = time.monotonic() + 30
    while containers(engine, run):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def without_local_image(engine: docker.DockerClient, image: str) -> None:
    """Remove what the build left in the engine, so that a worker has to pull."""
    engine.images.remove(str(engine.images.get(image).id), force=True)
    with pytest.raises(ImageNotFound):
        engine.images.get(image)


def test_a_run_in_the_flows_own_image_pulled_by_digest(
    project: SmallProject, engine: docker.DockerClient, network: str
) -> None:
    project.flow("run_probe", PROBE.format(edition=uuid.uuid4().hex), PROBED.replace("NETWORK", network))
    project.shipped()
    deployment = project.deployment("run_probe", "plain")
    image = deployment["job_variables"]["image"]
    without_local_image(engine, image)
    # What a worker adds to a container's environment: its own settings, which describe another machine.
    env = {
        **deployment["job_variables"]["env"],
        "PREFECT_HOME": "/nowhere",
        "PREFECT_WORKER_QUERY_SECONDS": "9",
    }
    plain = trigger(project, "run_probe", "plain", parameters={"seconds": 3}, job_variables={"env": env})
    seen = running(engine, plain)
    networked = trigger(project, "run_probe", "networked", parameters={"seconds": 2})
    beside = running(engine, networked)
    host = seen["HostConfig"]
    assert (seen["Config"]["Image"], host["Init"], host["AutoRemove"]) == (image, True, True)
    finished, result = ended(project, plain)
    assert finished.state == "COMPLETED"
    url = api_url(project.running.state)
    assert result == {
        "user": 10001,
        "prefect": [
            "PREFECT_API_URL",
            "PREFECT_LOGGING_LEVEL",
            "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES",
            "PREFECT_SERVER_EPHEMERAL_ENABLED",  # of the profile that Prefect itself begins with
        ],
        "region": "west",
        "level": "WARNING",
        "api": url,
        "folder": "/opt/project/flows/run_probe",
        "shared": "shared.days",
    }
    pulled = engine.images.get(image)
    assert (pulled.tags, pulled.attrs["RepoDigests"]) == ([], [image])
    assert gone(engine, plain)
    assert list(beside["NetworkSettings"]["Networks"]) == [network]
    finished, result = ended(project, networked)
    inside = api_url(project.running.state).replace("127.0.0.1", "host.docker.internal")
    assert (finished.state, result["api"]) == ("COMPLETED", inside)
    assert gone(engine, networked)


def test_a_flow_that_fails_ends_the_program_with_its_message(project: SmallProject) -> None:
    project.flow("run_failing", FAILING)
    project.shipped()
    done = project.program("run", "run_failing", "-p", "day=monday")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    run = lines[0].split()[1]
    image = project.deployment("run_failing")["job_variables"]["image"]
    assert lines[0] == f"run {run} of run_failing, image {image}"
    assert f"{run}: Failed" in lines
    message = "Flow run encountered an exception: ValueError: no orders on monday"
    assert lines[-1] == f"error: run {run} ended FAILED: {message}"


def test_the_callers_api_key_is_in_no_deployment(project: SmallProject) -> None:
    key = f"pnu_{uuid.uuid4().hex}"
    project.registry(prefect=json.dumps(api_url(project.running.state)).join(("{ api = ", " }")))
    project.flow("run_keyless")
    done = project.program("ship", env={"PREFECT_API_KEY": key})
    assert done.returncode == 0, done.stderr
    assert sorted(project.deployments()) == ["run_keyless/default"]
    assert key not in json.dumps(project.deployments()) + done.stdout + done.stderr
    for file in (path for path in project.root.rglob("*") if path.is_file()):
        assert key.encode() not in file.read_bytes(), file


def test_a_debian_package_is_in_the_image_that_asks_for_it(project: SmallProject) -> None:
    project.flow("run_tree", TREE, 'system-packages = ["tree"]\n')
    project.shipped()
    finished, result = ended(project, trigger(project, "run_tree"))
    assert (finished.state, result) == ("COMPLETED", "tree")


def test_a_flow_and_its_docker_task_whose_dependencies_exclude_each_other(project: SmallProject) -> None:
    for flow in ("etl", "clean"):
        shutil.copytree(ROOT / "flows" / flow, project.root / "flows" / flow)
    assert {name: one.error for name, one in project.ship().items()} == {"clean": None, "etl": None}
    finished, result = ended(project, trigger(project, "etl", "daily", parameters={"day": "2026-03-02"}))
    assert finished.state == "COMPLETED"
    versions = [result[name].partition(".")[0] for name in ("pandas", "cleaned-with-pandas")]
    assert versions == ["3", "2"]
    assert (result["read"], result["repeated"], result["rejected"], result["loaded"]) == (202, 17, 16, 29)
    # What the images say of how they are called is what `lock` read from the code.
    assert (project.root / TYPES).read_text() == (ROOT / TYPES).read_text()


def test_many_parts_in_containers_and_in_processes(project: SmallProject) -> None:
    for flow in ("count_primes", "fan_out", "fan_out_dask"):
        shutil.copytree(ROOT / "flows" / flow, project.root / "flows" / flow)
    assert {one.error for one in project.ship().values()} == {None}
    parameters = {"stop": 1000, "parts": 3}
    flows = ("fan_out", "fan_out_dask")
    runs = [trigger(project, flow, parameters=parameters) for flow in flows]
    assert [ended(project, run)[1] for run in runs] == [168, 168]
