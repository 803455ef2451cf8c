"""Nobody waits for what the server will never say."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from flowyard.runtime.tasks.errors import ServerRefuses
from flowyard.runtime.tasks.waiting import REFUSED_FOR, Waiter, _Watched


class Answered(Exception):
    """As an HTTP client raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status)


class Client:
    """A server that answers every question like this."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read_flow_runs(self, **wanted: Any) -> list[Any]:
        raise self.error


def asked(now: list[float], *answers: Exception) -> _Watched:
    """A run that is waited for, after these answers, with as many seconds between them as are allowed."""
    waiter = Waiter(lambda: now[0])
    watched = waiter._watch(_Watched(uuid4(), "clean", 600.0, 0.0))
    for answer in answers:
        client: Any = Client(answer)
        asyncio.run(waiter._ask(client))
        now[0] += REFUSED_FOR + 1
    return watched


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_keeps_refusing_ends_the_waiting(status: int) -> None:
    watched = asked([0.0], Answered(status), Answered(status))
    error = watched.future.exception(0)
    assert isinstance(error, ServerRefuses)
    assert f"Answered: status {status}" in str(error)
    assert (error.task, error.run) == ("clean", str(watched.run))


@pytest.mark.parametrize(
    "answers",
    [
        [Answered(503)] * 3,
        [Answered(429)] * 3,
        [ConnectionError("refused")] * 3,
        [Answered(401), ConnectionError("restarts"), Answered(401)],
        [Answered(401)],
    ],
)
def test_a_server_that_is_away_is_asked_again(answers: list[Exception]) -> None:
    assert not asked([0.0], *answers).future.done()


class Dying(Waiter):
    """Whose thread comes to nothing."""

    async def _serve(self) -> None:
        raise RuntimeError("no client can be made")


def test_whoever_waits_is_told_when_the_thread_dies_and_the_next_starts_another() -> None:
    waiter = Dying()
    for _ in range(2):
        error = waiter.end_of(uuid4(), "clean", 600.0).exception(10)
        assert isinstance(error, ServerRefuses)
        assert "RuntimeError: no client can be made" in str(error)


class Once(Waiter):
    """Whose thread asks once, and is refused."""

    done: threading.Event

    async def _serve(self) -> None:
        client: Any = Client(Answered(401))
        await self._ask(client)
        self._thread = None
        self.done.set()


def test_a_refusal_of_long_ago_is_none_of_the_next_thread() -> None:
    now = [0.0]
    waiter = Once(lambda: now[0])
    for _ in range(2):
        waiter.done = threading.Event()
        future = waiter.end_of(uuid4(), "clean", 600.0)
        assert waiter.done.wait(10)
        assert not future.done()
        future.cancel()
        now[0] += REFUSED_FOR + 1


def test_patience_ends_by_the_clock_of_the_waiter() -> None:
    now = [1e9]
    waiter = Dying(lambda: now[0])
    waiter._thread = threading.current_thread()  # none is started
    run = uuid4()
    future = waiter.end_of(run, "clean", 600.0)
    said = {"is_final": False, "is_scheduled": True, "is_pending": False, "is_running": False}
    state = SimpleNamespace(**{name: lambda each=each: each for name, each in said.items()})
    client: Any = SimpleNamespace(read_flow_runs=_giving([SimpleNamespace(id=run, state=state)]))
    for seconds, is_over in ((600.0, False), (1.0, True)):
        now[0] += seconds
        asyncio.run(waiter._ask(client))
        assert future.done() is is_over
    assert str(future.exception(0)) == "601 s"


def _giving(found: list[Any]) -> Any:
    async def give(**wanted: Any) -> list[Any]:
        return found

    return give


def test_what_nobody_waits_for_any_more_is_forgotten() -> None:
    waiter = Waiter()
    first, second = (waiter._watch(_Watched(run, "clean", 600.0, 0.0)) for run in [uuid4()] * 2)
    first.future.cancel()
    assert waiter._watched == {second}
