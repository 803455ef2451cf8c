"""Beside the flow's process: ends it when its caller is gone, and ends what it called when it is.

This process outlives the flow's own, whatever that does: it is told of a cancellation, sees a crash, and no code
of the flow can keep it from asking the server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio

from flowyard.runtime.names import CHILD_ENV, PINS_ENV
from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks.outcome import OUT_OF_MEMORY
from flowyard.runtime.tasks.storage import open_storage

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

PARENT = "flowyard.parent"  # labels of a call's run: the run whose container called,
IMAGE = "flowyard.image"  # and the image it is pinned to
LOOK = 3.0  # seconds between two looks at the caller's run
BEAT = 10.0  # seconds between two signs of life of a caller
SILENCE = 60.0  # seconds without one, while its run is said to be running: it is dead
PAUSES = (0.5, 1.0, 2.0)  # seconds between looks for what a run has called, while the server does not say
_MEMORY_EVENTS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def alive_key(run: str) -> str:
    """Where a caller's sign of life is stored."""
    return f"runs/{run}/alive"


def calls_others(environ: Mapping[str, str]) -> bool:
    """Whether this flow was shipped with Docker tasks."""
    return environ.get(PINS_ENV, "{}") not in ("", "{}")


def is_called(environ: Mapping[str, str]) -> bool:
    """Whether this run is a Docker task's."""
    return bool(environ.get(CHILD_ENV))


async def beat(run: UUID) -> None:
    """Give signs of life for those this run has called, for ever."""
    storage = open_storage(os.environ)
    while True:
        with suppress(OSError):
            await anyio.to_thread.run_sync(storage.put, alive_key(str(run)), repr(time.time()).encode())
        await anyio.sleep(BEAT)


async def caller_ends(client: PrefectClient, run: FlowRun) -> str:
    """Wait until the run that called this one has ended or is dead: why this one is to end."""
    caller = run.labels.get(PARENT)
    if not caller:
        await anyio.sleep_forever()
    pulse = Pulse(open_storage(os.environ), str(caller))
    while True:
        await anyio.sleep(LOOK)
        state = "unknown"
        with suppress(Exception):  # the server is away: it is asked again
            state = await _state(client, UUID(str(caller)))
        if state in (*_FINAL, "CANCELLING", ""):
            return f"The run that called it ({caller}) is {state or 'gone'}."
        if state == "RUNNING" and await anyio.to_thread.run_sync(pulse.is_silent):
            return f"The run that called it ({caller}) gives no sign of life."


class Pulse:
    """The signs of life of a caller: their content changes, so that no clocks are compared."""

    def __init__(self, storage: Storage, run: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._key = alive_key(run)
        self._clock = clock
        self._last = b""
        self._changed = clock()

    def is_silent(self) -> bool:
        """Whether there was none for too long."""
        try:
            found = self._storage.read(self._key)
        except OSError:  # one that never gave one is judged by its state alone
            found = b""
        if found != self._last or not found:
            self._last, self._changed = found, self._clock()
        return self._clock() - self._changed > SILENCE


async def end_called(client: PrefectClient, run: UUID, why: str, pauses: Sequence[float] = PAUSES) -> int:
    """Cancel whatever this run and the flows within it have called and has not ended; how many. Raises what the
    client does when the server does not say what it has called, however often it is asked."""
    ended = 0
    for one in await _children(client, run, pauses):
        with suppress(Exception):  # each of them
            if one.deployment_id is None:  # a flow within the flow, in the same process
                ended += await end_called(client, one.id, why, pauses)
            elif PARENT in one.labels and one.state is not None and not one.state.is_final():
                await cancel(client, one.id, why)
                ended += 1
    return ended


async def cancel(client: PrefectClient, run: UUID, why: str) -> None:
    """Ask for a run's cancellation."""
    from prefect.states import Cancelling

    await client.set_flow_run_state(run, Cancelling(message=why))


def out_of_memory(files: Iterable[Path] = _MEMORY_EVENTS) -> bool:
    """Whether the kernel has killed a process of this container because its memory was used up."""
    for path in files:
        try:
            words = path.read_text().split()
        except OSError:
            continue
        counts = dict(zip(words[::2], words[1::2], strict=False))
        if counts.get("oom_kill", "0") != "0":
            return True
    return False


class Proposer:
    """Prefect's own, which tells the server of a crash, but it knows when memory was the reason."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def propose_crashed(self, flow_run: FlowRun, message: str) -> Any:
        """As Prefect's."""
        said = f"The container ran {OUT_OF_MEMORY}. {message}" if out_of_memory() else message
        return await self._inner.propose_crashed(flow_run, message=said)


async def _state(client: PrefectClient, run: UUID) -> str:
    from prefect.exceptions import ObjectNotFound

    try:
        found = await client.read_flow_run(run)
    except ObjectNotFound:
        return ""
    return found.state.type.value if found.state else ""


async def _children(client: PrefectClient, run: UUID, pauses: Sequence[float]) -> list[FlowRun]:
    for pause in pauses:
        with suppress(Exception):  # the server is away: it is asked again
            return await _listed(client, run)
        await anyio.sleep(pause)
    return await _listed(client, run)


async def _listed(client: PrefectClient, run: UUID) -> list[FlowRun]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    wanted = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]))
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(flow_run_filter=wanted, limit=200, offset=len(found))
        found += page
        if len(page) < 200:
            return found
