"""Ships that are stopped in the middle of a build and of a push: nothing runs on, and the next ship converges."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.pipeline_projects import SmallProject
from tests.integration.stopping_proxy import Boundary, StoppingProxy, stopping_proxy
from tests.integration.yard import remove_images

pytest_plugins = ("tests.integration.pipeline_fixtures",)

SLOW = '{% extends "Dockerfile.j2" %}\n{% block source %}\n{{ super() }}\nRUN sleep 60\n{% endblock %}\n'
UPLOAD = Boundary("a layer is uploaded", "after", r"POST /v2/flows/stop_build/blobs/uploads/.*")
EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
FLOW = "stop_build"


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def at_work(root: Path) -> list[str]:
    """The programs that were started with a path of the project."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(root) in word for word in words):
            found.append(" ".join(words))
    return found


def assert_stopped(project: SmallProject, number: signal.Signals, said: str) -> None:
    """Nothing of the ship is left but, when it was killed, its lease, which the next ship here gives back."""
    until(lambda: not at_work(project.root), 15)
    name = f"flowyard:{project.name}:local:{FLOW}"
    taken = project.api.request("GET", f"/v2/concurrency_limits/{name}")["active_slots"]
    assert taken == (number is signal.SIGKILL)
    if number is not signal.SIGKILL:
        assert said.splitlines()[-3:] == [
            f"error: {FLOW}: the build was stopped",
            "target local: 0 shipped, 0 unchanged, 0 failed, 1 not begun or stopped",
            "interrupted",
        ]


def assert_converges(project: SmallProject) -> None:
    began = time.monotonic()
    assert {one.error for one in project.ship().values()} == {None}
    assert time.monotonic() - began < 50, "it waited for the lease of the dead ship"
    assert {action for action, _ in project.plan().values()} == {"unchanged"}
    limits = project.api.request("POST", "/v2/concurrency_limits/filter", {"limit": 200})
    ours = [one for one in limits if one["name"].startswith(f"flowyard:{project.name}:")]
    assert {one["active_slots"] for one in ours} == {0}


@pytest.mark.parametrize("number", list(EXIT), ids=lambda number: number.name)
def test_in_the_middle_of_a_build(project: SmallProject, number: signal.Signals) -> None:
    project.flow(FLOW)
    slow = project.root / f"flows/{FLOW}/Dockerfile.j2"
    slow.write_text(SLOW)
    log = project.root / f".flowyard/logs/build/{FLOW}.log"
    ship = project.program_in_background("ship")
    until(lambda: log.exists() and "RUN sleep 60" in log.read_text())
    assert {word.split()[0].rpartition("/")[2] for word in at_work(project.root)} >= {"docker-buildx"}
    ship.send_signal(number)
    printed, said = ship.communicate(timeout=30)
    assert (ship.returncode, printed) == (EXIT[number], "")
    assert_stopped(project, number, said)
    assert project.deployments() == {}
    slow.unlink()
    assert_converges(project)
    assert sorted(project.deployments()) == [f"{FLOW}/default"]


@pytest.fixture
def slow_registry(project: SmallProject) -> Iterator[StoppingProxy]:
    """A proxy in front of the container registry, which knows the layers of the flow already."""
    project.flow(FLOW)
    project.shipped()
    with stopping_proxy(f"http://{project.host}/api") as proxy:
        proxy.held = 3.0
        host = proxy.url.removeprefix("http://").removesuffix("/api")
        project.registry(registry=f'{{ type = "oci", url = "{host}/flows" }}')
        project.shipped()
        yield proxy
        remove_images(host)  # named for the proxy, so the yard does not know them


def test_in_the_middle_of_a_push(project: SmallProject, slow_registry: StoppingProxy) -> None:
    for number in EXIT:
        before = project.deployment(FLOW)
        project.flow(FLOW)
        slow_registry.arm(UPLOAD, number)
        ship = project.program_in_background("ship")
        slow_registry.aim(ship.pid)
        printed, said = ship.communicate(timeout=120)
        slow_registry.disarm()
        assert slow_registry.stopped.is_set(), (slow_registry.seen, said)
        assert (ship.returncode, printed) == (EXIT[number], "")
        assert_stopped(project, number, said)
        assert project.deployment(FLOW) == before
        assert_converges(project)
        image = project.deployment(FLOW)["job_variables"]["image"]
        assert image != before["job_variables"]["image"]
