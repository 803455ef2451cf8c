"""What goes on with Docker tasks while the Prefect server is away, or refuses."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flowyard.runtime.names import CHILD_ENV, PINS_ENV
from flowyard.runtime.tasks import execution, watch
from flowyard.runtime.tasks.errors import DockerTaskError, NotPinned, ServerRefuses
from flowyard.runtime.tasks.pins import Pin
from flowyard.runtime.tasks.places import Places
from flowyard.runtime.tasks.prefect_runs import PrefectRuns
from flowyard.runtime.tasks.runs import Pinned, Request

AWAY = httpx.ConnectError("nobody is there")
PIN = Pin("clean", "default", str(uuid4()), "r.example/clean@sha256:1")


def away() -> Exception:
    return AWAY


def status(code: int) -> Exception:
    """As Prefect's client raises it."""
    from prefect.exceptions import PrefectHTTPStatusError

    request = httpx.Request("POST", "http://server.example")
    return PrefectHTTPStatusError(f"status {code}", request=request, response=httpx.Response(code))


def gone() -> Exception:
    from prefect.exceptions import ObjectNotFound

    return ObjectNotFound(AWAY)


class Server:
    """An async client: it fails as often as it says, and then knows one run that was called."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0
        self.called: Any = SimpleNamespace(
            id=uuid4(),
            deployment_id=uuid4(),
            labels={watch.PARENT: "caller"},
            state=SimpleNamespace(is_final=lambda: False),
        )
        self.cancelled: list[Any] = []

    async def read_flow_runs(self, **wanted: Any) -> list[Any]:
        self.asked += 1
        if self.asked <= self.failures:
            raise AWAY
        return [self.called]

    async def read_flow_run(self, run: Any) -> Any:
        if self.failures > 9:
            raise AWAY
        kind = SimpleNamespace(value="CANCELLING")
        state = SimpleNamespace(is_final=lambda: False, is_cancelling=lambda: True, type=kind)
        return SimpleNamespace(state=state)

    async def set_flow_run_state(self, run: Any, state: Any) -> None:
        self.cancelled.append(run)


def test_what_a_run_has_called_is_looked_for_again_while_the_server_is_away() -> None:
    server: Any = Server(failures=2)
    assert asyncio.run(watch.end_called(server, uuid4(), "It ends.", pauses=(0, 0))) == 1
    assert server.cancelled == [server.called.id]
    away: Any = Server(failures=3)
    with pytest.raises(httpx.ConnectError):
        asyncio.run(watch.end_called(away, uuid4(), "It ends.", pauses=(0, 0)))


class Inner:
    """Prefect's cancellation manager."""

    async def cancel_by_id(self, run: Any) -> None:
        return


class Cancelled:
    """Prefect's executor, whose run is cancelled while it goes on for a moment more."""

    def __init__(self, context: Any, run: Any) -> None:
        self.context, self.run, self.is_over = context, run, False

    async def submit(self) -> None:
        await self.context._cancellation_manager.cancel_by_id(self.run.id)
        await asyncio.sleep(0.05)
        self.is_over = True


def submitted(server: Server) -> Cancelled:
    """An executor that has done what it does."""
    context: Any = SimpleNamespace(client=server, _cancellation_manager=Inner())
    run: Any = SimpleNamespace(id=uuid4(), labels={})
    executor = Cancelled(context, run)
    asyncio.run(execution.submit(context, executor, run))  # type: ignore[arg-type]
    return executor


def test_a_run_is_executed_to_its_end_while_nothing_can_be_done_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PINS_ENV, json.dumps({"clean": {}}))
    monkeypatch.delenv(CHILD_ENV, raising=False)
    server = Server(failures=1)
    assert submitted(server).is_over
    assert server.cancelled == [server.called.id]  # it was seen to when the run had ended
    assert "flowyard: no signs of life are given any more: StorageFailed: " in capsys.readouterr().err


def test_a_run_that_has_ended_does_not_fail_because_its_calls_cannot_be_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PINS_ENV, json.dumps({"clean": {}}))
    assert submitted(Server(failures=10)).is_over
    said = capsys.readouterr().err
    assert "flowyard: not cleaned up after Docker tasks: ConnectError: nobody is there" in said


class Client:
    """A sync client whose every answer is this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read_deployment(self, *args: Any) -> Any:
        raise self._error

    def create_flow_run_from_deployment(self, *args: Any, **more: Any) -> Any:
        raise self._error


def asked(error: Exception) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The two questions that a call asks of a server with this answer."""
    client: Any = Client(error)
    pins = json.dumps({"clean": {"default": {"id": PIN.id, "image": PIN.image}}})
    runs = PrefectRuns({PINS_ENV: pins}, lambda: client)
    request = Request(Pinned(PIN, {}), {}, "key", "clean")
    return (lambda: runs.pinned("clean", None)), (lambda: runs.begin(request, None))


@pytest.mark.parametrize(
    ("refuses", "kind", "text"),
    [
        (
            away,
            ServerRefuses,
            "cannot be called: the Prefect server is away or refuses: ConnectError: nobody",
        ),
        (partial(status, 503), ServerRefuses, "PrefectHTTPStatusError: status 503"),
        (partial(status, 404), NotPinned, "is pinned to is gone: ship this flow again"),
        (gone, NotPinned, "is pinned to is gone: ship this flow again"),
    ],
)
def test_what_the_server_does_not_give_is_an_error_of_the_task(
    refuses: Callable[[], Exception], kind: type[DockerTaskError], text: str
) -> None:
    error = refuses()
    for ask in asked(error):
        with pytest.raises(kind, match=text) as caught:
            ask()
        assert (caught.value.task, caught.value.__cause__) == ("clean", error)


def test_a_server_that_cannot_be_connected_to_is_connected_to_again() -> None:
    def connect() -> Any:
        tries.append(1)
        raise AWAY

    tries: list[int] = []
    runs = PrefectRuns({}, connect)
    request = Request(Pinned(PIN, {}), {}, "key", "clean")
    for _ in range(2):
        with pytest.raises(ServerRefuses):
            runs.begin(request, None)
    assert len(tries) == 2


def test_a_place_is_made_once_however_many_ask_for_it() -> None:
    made: list[bool] = []
    another = threading.Event()

    def make(is_local: bool) -> Any:
        made.append(is_local)
        another.wait(0.05 if len(made) == 1 else 0)
        return object()

    places = Places(make)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(places.of(is_local=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (made, len(set(map(id, found)))) == ([True], 1)
    assert places.of(is_local=False) is not found[0]
