"""Flows that cannot be shipped: what is said, that the others are shipped, and that nothing half is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from flowyard.errors import BuildFailed, CheckFailed
from flowyard.report import exit_code
from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

HEAD = "from prefect import flow\n\n\n"
BROKEN = "import flowyard_no_such_module\n" + HEAD + "@flow\ndef broken(): ...\n"
LOSSY = HEAD + "@flow\ndef lossy(marker=object()): ...\n"
ONLINE = (
    "from urllib.request import urlopen\n\n"
    + HEAD
    + 'PAGE = urlopen("http://192.0.2.1/", timeout=5)\n\n\n@flow\ndef online(): ...\n'
)
BLOCK = '{{% extends "Dockerfile.j2" %}}\n{{% block source %}}\n{{{{ super() }}}}\nRUN {command}\n{{% endblock %}}\n'


def with_step(project: SmallProject, flow: str, command: str) -> None:
    """Give a flow's image one more step, behind its source."""
    project.write(f"flows/{flow}/Dockerfile.j2", BLOCK.format(command=command))


def test_four_flows_fail_each_with_its_reason_and_the_fifth_is_shipped(project: SmallProject) -> None:
    project.flow("broken", BROKEN)
    project.flow("lossy", LOSSY)
    project.flow("online", ONLINE)
    project.flow("unbuilt")
    with_step(project, "unbuilt", "echo from the step && flowyard-no-such-program")
    project.flow("fail_good")
    outcomes = project.ship()
    errors = {name: one.error for name, one in outcomes.items() if one.error is not None}
    assert {name: type(error) for name, error in errors.items()} == {
        "broken": CheckFailed,
        "lossy": CheckFailed,
        "online": CheckFailed,
        "unbuilt": BuildFailed,
    }
    assert errors["broken"].message == (
        "flow.py cannot be imported: ModuleNotFoundError: No module named 'flowyard_no_such_module' "
        "(flow.py, line 1: import flowyard_no_such_module)"
    )
    assert errors["lossy"].message.startswith("flow 'lossy' in flow.py: parameter 'marker' ")
    assert errors["online"].message.startswith(
        'importing flow.py uses the network (flow.py, line 6: PAGE = urlopen("http://192.0.2.1/", timeout=5)): '
    )
    assert "RUN echo from the step && flowyard-no-such-program failed: " in errors["unbuilt"].message
    assert "\n  | from the step\n" in errors["unbuilt"].message
    assert all(error.hint for name, error in errors.items() if name != "unbuilt")
    for name, error in errors.items():
        assert error.log == project.root / f".flowyard/logs/build/{name}.log"
        assert "docker buildx build" in error.log.read_text()
    assert exit_code(outcomes.values()) == 1
    assert sorted(project.deployments()) == ["fail_good/default"]
    assert {name: action for name, (action, _) in project.plan().items()} == {
        "broken": "build",
        "fail_good": "unchanged",
        "lossy": "build",
        "online": "build",
        "unbuilt": "build",
    }


def test_a_flow_that_fails_leaves_the_deployment_it_had(project: SmallProject) -> None:
    project.flow("broken", HEAD + "@flow\ndef broken(): ...\n")
    project.shipped()
    before = project.deployment("broken")
    project.flow("broken", BROKEN)
    assert isinstance(project.ship()["broken"].error, CheckFailed)
    assert project.deployment("broken") == before


def test_two_ships_of_one_flow_at_once(project: SmallProject) -> None:
    project.flow("fail_twice")
    with_step(project, "fail_twice", "sleep 5")
    first = project.program_in_background("ship", "fail_twice")
    until(lambda: "RUN sleep 5" in build_log(project, "fail_twice"))
    second = project.program("ship", "fail_twice")
    printed, progress = first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 8), progress
    assert (second.stdout, second.stderr) == (
        "",
        "error: another ship of fail_twice is running\n"
        "  hint: wait for it and ship again; if none runs (one was killed and the server restarted since), "
        f"free it: prefect gcl delete {limit(project, 'fail_twice')}\n",
    )
    image = project.deployment("fail_twice")["job_variables"]["image"]
    assert printed == f"fail_twice  {image}\n"
    again = project.program("ship", "fail_twice")
    assert (again.returncode, again.stdout) == (0, printed)


def test_a_killed_ship_leaves_nothing_half_and_its_hint_helps(project: SmallProject) -> None:
    project.flow("fail_killed")
    with_step(project, "fail_killed", "sleep 60")
    killed = project.program_in_background("ship")
    until(lambda: "RUN sleep 60" in build_log(project, "fail_killed"))
    builders = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.communicate()
    for builder in builders:  # they are in sessions of their own, and would build on
        builder.kill()
    assert project.deployments() == {}
    refused = project.program("ship")
    name = limit(project, "fail_killed")
    assert (refused.returncode, refused.stdout) == (8, "")
    assert refused.stderr.startswith("error: another ship of fail_killed is running\n")
    assert refused.stderr.endswith(f"free it: prefect gcl delete {name}\n")
    assert project.api.request("GET", f"/v2/concurrency_limits/{name}")["active_slots"] == 1
    project.api.request("DELETE", f"/v2/concurrency_limits/{name}")  # what the hint's command does
    (project.root / "flows/fail_killed/Dockerfile.j2").unlink()
    assert project.program("ship").returncode == 0
    assert sorted(project.deployments()) == ["fail_killed/default"]


def limit(project: SmallProject, flow: str) -> str:
    """The name of the concurrency limit that keeps two ships of a flow apart."""
    return f"flowyard:{project.name}:local:{flow}"


def build_log(project: SmallProject, flow: str) -> str:
    """What a flow's build has said so far."""
    log: Path = project.root / f".flowyard/logs/build/{flow}.log"
    return log.read_text() if log.exists() else ""


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)
