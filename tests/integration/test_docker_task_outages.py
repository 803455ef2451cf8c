"""Docker tasks while something is away: the worker, the Prefect server, the storage, room on a disk."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.embedded import server
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import up
from flowyard.state_folder import STATE_FOLDER
from tests.integration.docker_tasks import Pinned, pinned_project
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

AWAY = 3.0  # seconds, and as long as a server takes to start


@dataclass(frozen=True)
class Seen:
    """What the one run of the caller has returned, and what it has called, by the state and by what it does."""

    key: str
    found: dict[str, Any]
    called: list[dict[str, Any]]

    def states(self) -> dict[str, tuple[str, int]]:
        """The state of each run whose value is a text, and how often it was begun."""
        return {
            str(one["parameters"]["value"]).removeprefix(f"{self.key}-"): (
                one["state_type"],
                one["run_count"],
            )
            for one in self.called
            if isinstance(one["parameters"].get("value"), str)
        }


@pytest.fixture(scope="module")
def seen(
    session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient
) -> Iterator[Seen]:
    """One run of a caller, from whose calls one thing after the other is taken."""
    with pinned_project(session_yard, tmp_path_factory.mktemp("outages") / "project") as pinned:
        key = uuid.uuid4().hex[:8]
        run = pinned.trigger("", "outages", value=key)
        pinned.until(run.id, ("RUNNING",))
        (container,) = engine.containers.list(
            filters={"label": f"io.prefect.flow-run-id={run.id}"}, ignore_removed=True
        )

        def open_gate(name: str) -> None:
            done = container.exec_run(["touch", f"/var/lib/flowyard/results/gate {key}-{name}"])
            assert done.exit_code == 0, done.output

        with stopped_worker(session_yard):
            open_gate("never")
            until_cancelled(pinned, run.id)
        open_gate("restart")
        pinned.until_called(run.id, 2)
        with stopped_server(session_yard):
            open_gate("during")
            time.sleep(AWAY)
        open_gate("after")
        yield Seen(key, pinned.result(run), pinned.called(run.id))


def test_a_call_without_a_worker_is_never_started_and_does_not_run_later(seen: Seen) -> None:
    never = seen.found["never"]
    assert never["raised"] == "ChildNeverStarted"
    assert never["text"].startswith("Docker task 'called' was not started for ")
    assert seen.states()["never"] == ("CANCELLED", 0)
    assert f"{seen.key}-never" not in seen.found["ran"]


def test_a_server_that_restarts_loses_and_doubles_no_call(seen: Seen) -> None:
    assert seen.found["restart"] == [{"value": "done"}] * 2
    assert seen.found["ran"] == [f"{seen.key}-after", f"{seen.key}-during"]
    once = ("COMPLETED", 1)
    assert seen.states() == {"never": ("CANCELLED", 0), "during": once, "after": once}


def test_what_cannot_be_stored_or_read_is_an_error_of_the_storage(seen: Seen) -> None:
    texts = {
        "ours is full": "called(): argument 'value' cannot be stored: [Errno 28] No space left on device",
        "ours is refused": "called(): argument 'value' cannot be stored: [Errno 13] Permission denied",
        "theirs is full": "Docker task 'called': the result cannot be stored: [Errno 28] No space left on device",
        "theirs is refused": "Docker task 'called': the result cannot be stored: [Errno 13] Permission denied",
        "theirs is another": "Docker task 'called': argument 'value' cannot be read from the result storage: [Err",
    }
    for name, text in texts.items():
        assert (name, seen.found[name]["raised"]) == (name, "StorageFailed")
        assert seen.found[name]["text"].startswith(text)
    assert seen.found["left"] == []
    # Nothing was begun for what could not be stored, and what was begun has failed.
    others = [one["state_type"] for one in seen.called if not isinstance(one["parameters"].get("value"), str)]
    assert others == ["FAILED"] * 3


@contextmanager
def stopped_worker(yard: RunningYard) -> Iterator[None]:
    """The worker does nothing while the block runs."""
    assert yard.state.worker is not None
    assert yard.state.worker.pid is not None
    os.kill(yard.state.worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(yard.state.worker.pid, signal.SIGCONT)


@contextmanager
def stopped_server(yard: RunningYard) -> Iterator[None]:
    """There is no Prefect server while the block runs; another one is, on its port and its database, afterwards."""
    folder = yard.project.root / STATE_FOLDER
    server.stop(yard.state.prefect, folder)
    try:
        yield
    finally:
        assert yard.state.ports is not None
        state = up(UpOptions(folder, yard.target.work_pool, os.environ, yard.state.ports), SilentProgress())
        assert state.ports == yard.state.ports


def until_cancelled(pinned: Pinned, run: str) -> None:
    """Wait until the one run that this one has called is cancelled."""
    while not (called := pinned.called(run)):
        time.sleep(0.1)
    pinned.until(called[0]["id"], ("CANCELLED",))
