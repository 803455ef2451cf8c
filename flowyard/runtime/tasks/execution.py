"""What our executor does beside Prefect's for flows that call Docker tasks, and for those that are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio

from flowyard.runtime.tasks import watch
from flowyard.runtime.tasks.settings import GRACE
from flowyard.runtime.tasks.storage import sweep

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.runner._flow_run_executor import FlowRunExecutor, FlowRunExecutorContext


def concerns(environ: Any = os.environ) -> bool:
    """Whether the run is on either side of a Docker task."""
    return watch.calls_others(environ) or watch.is_called(environ)


def explain_crashes(context: FlowRunExecutorContext) -> None:
    """Have the server told when a flow's process died of a lack of memory."""
    context._state_proposer = watch.Proposer(context._state_proposer)  # type: ignore[assignment]


async def submit(context: FlowRunExecutorContext, executor: FlowRunExecutor, run: FlowRun) -> None:
    """Execute the run, with its caller and whatever it calls in view."""
    stopping: Any = Stopping(context, run)
    context._cancellation_manager = stopping
    async with anyio.create_task_group() as beside:
        stopping.beside = beside
        if watch.calls_others(os.environ):
            beside.start_soon(guarded, "no signs of life are given any more", watch.beat, run.id)
        if watch.is_called(os.environ):
            beside.start_soon(guarded, "the caller is watched no more", _end_with_caller, context, run)
        await executor.submit()
        if watch.calls_others(os.environ):
            # The run has ended as it has; the called side watches too, and a later run sweeps.
            await guarded("not cleaned up after Docker tasks", _clean_up, context, run)
        beside.cancel_scope.cancel()


async def guarded(what: str, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """What goes wrong beside the run is told of: neither the run nor what else goes on beside it ends with it."""
    try:
        await work(*args)
    except Exception as error:
        sys.stderr.write(f"flowyard: {what}: {type(error).__name__}: {error}\n")


async def _end_with_caller(context: FlowRunExecutorContext, run: FlowRun) -> None:
    why = await watch.caller_ends(context.client, run)
    await guarded("not told that the run ends with its caller", watch.cancel, context.client, run.id, why)
    # The server need not tell us what we have told it; and it is finished when the process has ended.
    context._cancellation_task_group.start_soon(
        guarded, "not ended with its caller", context._cancellation_manager.cancel_by_id, run.id
    )


async def _clean_up(context: FlowRunExecutorContext, run: FlowRun) -> None:
    """The flow's process has ended: nothing that it has called goes on, unless it is to be taken up."""
    now = await context.client.read_flow_run(run.id)
    if now.state is not None and (now.state.is_final() or now.state.is_cancelling()):
        await watch.end_called(context.client, run.id, f"The run that called it is {now.state.type.value}.")
    await anyio.to_thread.run_sync(sweep, os.environ)


class Stopping:
    """Prefect's cancellation manager, but it also ends what the run has called, and a Docker task in time."""

    def __init__(self, context: FlowRunExecutorContext, run: FlowRun) -> None:
        self._inner = context._cancellation_manager
        self._context = context
        self._run = run
        self.beside: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def cancel_by_id(self, flow_run_id: UUID) -> None:
        """As Prefect's."""
        if watch.calls_others(os.environ):
            self.beside.start_soon(guarded, "not all that it called is cancelled", self._end_called)
        if watch.is_called(os.environ):
            self.beside.start_soon(guarded, "not killed", self._kill, flow_run_id)
        await self._inner.cancel_by_id(flow_run_id)

    async def _end_called(self) -> None:
        await watch.end_called(self._context.client, self._run.id, "The run that called it is cancelled.")

    async def _kill(self, flow_run_id: UUID) -> None:
        await anyio.sleep(GRACE)
        await self._context.process_manager.kill(flow_run_id, force=True)
