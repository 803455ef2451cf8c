"""Notices that runs have ended: by the server's events at once, and by asking, as an event can be lost.

One thread for all runs of the process, with one request for all of them each time it asks.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

ASK_EVERY = 2.0  # seconds, while events come
ASK_OFTEN = 0.4  # seconds, while none can come
_RECONNECT = 1.0  # seconds
_AT_ONCE = 200  # runs in one request
# The names of final states as Prefect itself gives them; of others the end is noticed by asking.
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


class NotStarted(Exception):
    """Nothing has begun to execute the run for as long as was allowed."""


@dataclass
class _Watched:
    run: UUID
    patience: float
    since: float = field(default_factory=time.monotonic)
    future: Future[FlowRun] = field(default_factory=Future)


class Waiter:
    """Waits for runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[UUID, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._progress = 0.0  # when a run of this process was last seen being executed
        self._hears = False

    def ended(self, run: UUID, patience: float) -> Future[FlowRun]:
        """The run, once it has ended; or NotStarted, when for `patience` seconds none of this process's runs
        was being executed and this one had not begun."""
        with self._lock:
            watched = self._watched.setdefault(run, _Watched(run, patience))
            if self._thread is None:
                context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=context.run, args=(self._main,), name="flowyard-waiter", daemon=True
                )
                self._thread.start()
        return watched.future

    def forget(self, run: UUID) -> None:
        """The run need not be waited for any more."""
        with self._lock:
            self._watched.pop(run, None)

    def _main(self) -> None:
        asyncio.run(self._serve())

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
            if run in self._watched:
                await self._look(client, {run: self._watched[run]})

    async def _ask(self, client: PrefectClient) -> None:
        with self._lock:
            watched = dict(self._watched)
        runs = list(watched)
        with suppress(Exception):  # the server is away for a while: it is asked again
            for start in range(0, len(runs), _AT_ONCE):
                await self._look(client, {run: watched[run] for run in runs[start : start + _AT_ONCE]})

    async def _look(self, client: PrefectClient, watched: Mapping[UUID, _Watched]) -> None:
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        wanted = FlowRunFilter(id=FlowRunFilterId(any_=list(watched)))
        found = {run.id: run for run in await client.read_flow_runs(flow_run_filter=wanted, limit=_AT_ONCE)}
        states = [run.state for run in found.values() if run.state]
        if any(state.is_running() or state.is_final() for state in states):
            self._progress = time.monotonic()
        for run, one in watched.items():
            self._judge(one, found.get(run))

    def _judge(self, watched: _Watched, run: FlowRun | None) -> None:
        if run is None or run.state is None:
            self._settle(watched, LookupError(f"flow run {watched.run} is not in the server any more"))
        elif run.state.is_final():
            self._settle(watched, run)
        elif run.state.is_scheduled() or run.state.is_pending():
            waited = time.monotonic() - max(watched.since, self._progress)
            if waited > watched.patience:
                self._settle(watched, NotStarted(f"{waited:.0f} s"))

    def _settle(self, watched: _Watched, outcome: FlowRun | Exception) -> None:
        with self._lock:
            if self._watched.pop(watched.run, None) is None:
                return
        if isinstance(outcome, Exception):
            watched.future.set_exception(outcome)
        else:
            watched.future.set_result(outcome)
