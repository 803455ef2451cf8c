"""Executes a flow run as `prefect flow-run execute` does, but loads Prefect once instead of three times.

Prefect 3.8 runs a deployment's pull steps in a process of their own, which imports all of Prefect for them; here
the only pull step names a folder, so the engine's process takes it. That one is a copy of this (engine_copy.py). What
watches the run is Prefect's own executor: heartbeats, cancellation, crash detection and hooks are as always.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowyard.runtime.marks import RUN

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.flows import Flow
    from prefect.runner._flow_run_executor import FlowRunExecutorContext, ProcessStarter

    from flowyard.runtime.engine_copy import EngineCopy

# The executor is not part of Prefect's documented interface: used with the versions it was tested with.
TESTED = ("3.8",)
STOCK = ("prefect", "flow-run", "execute")


def is_for_us(prefect: str, environ: Mapping[str, str]) -> bool:
    """Whether this program executes the run, and not Prefect's own command, as with any other version."""
    if environ.get("PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"):
        return False  # what a SIGTERM is to mean is decided in Prefect's command
    return prefect.rpartition(".")[0] in TESTED and bool(environ.get(RUN))


def main() -> None:
    """Execute the flow run that the worker names in the environment, or become Prefect's own command."""
    try:
        installed = version("prefect")
    except PackageNotFoundError:
        installed = ""
    if not is_for_us(installed, os.environ):
        os.execvp(STOCK[0], STOCK)  # noqa: S606 - to become the command is its purpose
    gc.disable()  # a tenth of the time Prefect takes to load goes into walking through what was loaded
    import anyio
    from prefect import flow_engine  # noqa: F401 - what the engine loads
    from prefect.logging.configuration import setup_logging
    from prefect.runner import _flow_run_executor, _starter_engine  # noqa: F401 - most of what is loaded

    from flowyard.runtime.engine_copy import copied, run_engine

    setup_logging()
    gc.freeze()
    gc.enable()
    engine = copied(run_engine)
    anyio.run(_execute, UUID(os.environ[RUN]), engine)


async def _execute(run: UUID, engine: EngineCopy | None) -> None:
    from prefect.runner._flow_run_executor import FlowRunExecutorContext

    from flowyard.runtime.tasks import execution

    async with FlowRunExecutorContext() as context:
        flow_run = await context.client.read_flow_run(run)
        starter = _starter(engine, context)
        execution.explain_crashes(context)
        executor = context.create_executor(
            flow_run, starter, resolve_flow=_load_for_hooks, propose_submitting=False
        )
        if execution.concerns():
            await execution.submit(context, executor, flow_run)
        else:
            await executor.submit()


def _starter(engine: EngineCopy | None, context: FlowRunExecutorContext) -> ProcessStarter:
    from prefect.runner._starter_engine import EngineCommandStarter

    from flowyard.runtime.engine_copy import CopyStarter

    if engine is not None:
        return CopyStarter(engine, context.control_channel)
    return EngineCommandStarter(
        control_channel=context.control_channel, isolate_process_group=True, env_overrides_settings=True
    )


async def _load_for_hooks(flow_run: FlowRun) -> Flow[..., Any]:
    from prefect.flows import load_flow_from_flow_run

    return await load_flow_from_flow_run(flow_run, use_placeholder_flow=False)


if __name__ == "__main__":
    main()
