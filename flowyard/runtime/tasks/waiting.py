"""Notices that runs have ended: by the server's events at once, and by asking, as an event can be lost.

One thread for all runs of the process, with one request for all of them each time it asks.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from flowyard.runtime.tasks.errors import ServerRefuses
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.runs import NotStarted

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

ASK_EVERY = 2.0  # seconds, while events come
ASK_OFTEN = 0.4  # seconds, while none can come
_RECONNECT = 1.0  # seconds
_AT_ONCE = 200  # runs in one request
REFUSED_FOR = 30.0  # seconds in which the server may refuse to answer before that is taken for its last word
_REFUSALS = range(400, 500)  # but for those that pass:
_PASSING = (408, 409, 425, 429)
# The names of final states as Prefect itself gives them; of others the end is noticed by asking.
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


@dataclass(eq=False)
class _Watched:
    run: UUID
    task: str
    patience: float
    since: float
    future: Future[Ended] = field(default_factory=Future)


class Waiter:
    """Waits for runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: set[_Watched] = set()
        self._thread: threading.Thread | None = None
        self._progress = 0.0  # when a run of this process was last seen being executed
        self._refused: float | None = None  # since when the server refuses to answer
        self._hears = False

    def end_of(self, run: UUID, task: str, patience: float) -> Future[Ended]:
        """How the run ends; or NotStarted, when for `patience` seconds none of this process's runs was being
        executed and this one had not begun; or ServerRefuses. It is forgotten when the future is cancelled."""
        watched = self._watch(_Watched(run, task, patience, self._clock()))
        with self._lock:
            if self._thread is None:
                self._refused, self._hears = None, False  # what the last one saw, maybe long ago
                context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=context.run, args=(self._main,), name="flowyard-waiter", daemon=True
                )
                self._thread.start()
        return watched.future

    def _watch(self, watched: _Watched) -> _Watched:
        with self._lock:
            self._watched.add(watched)
        watched.future.add_done_callback(lambda _: self._forget(watched))
        return watched

    def _forget(self, watched: _Watched) -> None:
        with self._lock:
            self._watched.discard(watched)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # nobody would ever tell the runs' callers anything
            with self._lock:
                self._thread = None
                left = list(self._watched)
            for watched in left:
                self._settle(watched, error)

    async def _serve(self) -> None:
        from prefect.client.orchestration import get_client

        async with get_client() as client:
            listening = asyncio.create_task(self._listen(client))
            try:
                while self._goes_on():
                    await self._ask(client)
                    await asyncio.sleep(ASK_EVERY if self._hears else ASK_OFTEN)
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await listening

    def _goes_on(self) -> bool:
        with self._lock:
            if not self._watched:
                self._thread = None  # the next run to wait for starts another
            return self._thread is not None

    async def _listen(self, client: PrefectClient) -> None:
        from prefect.events.clients import get_events_subscriber
        from prefect.events.filters import EventFilter, EventNameFilter

        names = EventNameFilter(name=[f"prefect.flow-run.{name}" for name in _ENDS])
        while True:
            try:
                async with get_events_subscriber(filter=EventFilter(event=names)) as events:
                    self._hears = True
                    async for event in events:
                        await self._heard(client, event.resource.id)
            except Exception:  # whatever a connection may end with: asking goes on, more often
                self._hears = False
                await asyncio.sleep(_RECONNECT)

    async def _heard(self, client: PrefectClient, resource: str) -> None:
        with suppress(ValueError):
            run = UUID(resource.rpartition("prefect.flow-run.")[2])
            with self._lock:
                watched = [one for one in self._watched if one.run == run]
            if watched:
                await self._look(client, watched)

    async def _ask(self, client: PrefectClient) -> None:
        with self._lock:
            watched = list(self._watched)
        try:
            for start in range(0, len(watched), _AT_ONCE):
                await self._look(client, watched[start : start + _AT_ONCE])
        except Exception as error:  # the server is away for a while: it is asked again
            self._note_refusal(error, watched)
        else:
            self._refused = None

    def _note_refusal(self, error: Exception, watched: Sequence[_Watched]) -> None:
        """The server may be away for as long as it likes, but what it refuses for long it will not give."""
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status not in _REFUSALS or status in _PASSING:
            self._refused = None
            return
        now = self._clock()
        self._refused = now if self._refused is None else self._refused
        if now - self._refused > REFUSED_FOR:
            for one in watched:
                self._settle(one, error)

    async def _look(self, client: PrefectClient, watched: Sequence[_Watched]) -> None:
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        wanted = FlowRunFilter(id=FlowRunFilterId(any_=list({one.run for one in watched})))
        found = {run.id: run for run in await client.read_flow_runs(flow_run_filter=wanted, limit=_AT_ONCE)}
        states = [run.state for run in found.values() if run.state]
        if any(state.is_running() or state.is_final() for state in states):
            self._progress = self._clock()
        for one in watched:
            self._judge(one, found.get(one.run))

    def _judge(self, watched: _Watched, run: FlowRun | None) -> None:
        if run is None or run.state is None:
            self._settle(watched, LookupError(f"flow run {watched.run} is not in the server any more"))
        elif run.state.is_final():
            self._settle(watched, Ended.of(watched.task, run))
        elif run.state.is_scheduled() or run.state.is_pending():
            waited = self._clock() - max(watched.since, self._progress)
            if waited > watched.patience:
                self._settle(watched, NotStarted(f"{waited:.0f} s"))

    def _settle(self, watched: _Watched, outcome: Ended | BaseException) -> None:
        with suppress(InvalidStateError):  # whoever waited has given up meanwhile
            if isinstance(outcome, Ended):
                watched.future.set_result(outcome)
            elif isinstance(outcome, (NotStarted, LookupError)):
                watched.future.set_exception(outcome)
            else:
                refuses = ServerRefuses(
                    f"Docker task {watched.task!r}: how its run goes cannot be had from the Prefect server: "
                    f"{type(outcome).__name__}: {outcome}",
                    task=watched.task,
                    run=str(watched.run),
                )
                refuses.__cause__ = outcome
                watched.future.set_exception(refuses)
