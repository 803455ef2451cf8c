"""Prefect's engine as a copy of the process that watches it: what was loaded once is there in both.

Loading Prefect takes more than a second of processor time, which every run would spend twice. The copy is made before
the process has threads or connections, and waits until it is told which run it is for.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anyio

from flowyard.runtime.forked import Forked
from flowyard.runtime.marks import RUN

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.runner._control_channel import ControlChannel

ENGINE = "prefect.engine"
_PAUSE = 0.05  # seconds between two looks whether the copy still lives: no system lacks what that takes


class EngineCopy(Forked):
    """A process that does nothing before `go`. While it waits, it ends when its maker does."""

    def __init__(self, pid: int, told: int) -> None:
        super().__init__(pid)
        self._told = told

    def go(self, environ: Mapping[str, str]) -> None:
        """Let it run, with this in its environment beside what is there."""
        with os.fdopen(self._told, "wb") as stream:
            stream.write(json.dumps(dict(environ)).encode())


def copied(run: Callable[[], object]) -> EngineCopy | None:
    """A copy of this process that will call `run` and end. None where threads run, which a copy would not have, or
    where no more processes are allowed."""
    if threading.active_count() > 1 or _native_threads() > 1:
        return None
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else both would write it
    reading, told = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(told)
        return None
    if pid == 0:
        os.close(told)
        _wait_and_run(reading, run)
    os.close(reading)
    return EngineCopy(pid, told)


def _native_threads() -> int:
    """With those that Python did not start; 0 where the system does not say."""
    with suppress(OSError):
        return len([*Path("/proc/self/task").iterdir()])
    return 0


def _wait_and_run(reading: int, run: Callable[[], object]) -> NoReturn:
    """In the copy: a session of its own, so that a signal to it reaches what the flow starts, and nobody else."""
    os.setsid()
    with os.fdopen(reading, "rb") as stream:
        environ = stream.read()
    if not environ:
        os._exit(0)  # there is no run for it
    os.environ.update(json.loads(environ))
    run()
    sys.exit()  # as any program ends: with what was registered for the exit


def run_engine() -> None:
    """What `python -m prefect.engine` does."""
    sys.argv = [ENGINE]
    sys.modules.pop(ENGINE, None)  # loaded as a part of others by now: to run it as well is warned of
    runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)


class CopyStarter:
    """Starts a flow run in the copy, as Prefect's EngineCommandStarter does in a new interpreter."""

    def __init__(self, copy: EngineCopy, control_channel: ControlChannel) -> None:
        self._copy = copy
        self._control_channel = control_channel

    async def start(self, flow_run: FlowRun, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        """Run it to its end; `task_status` is told of the process as soon as it runs."""
        from prefect.runner._process_manager import ProcessHandle, create_isolated_termination_scope
        from prefect.settings import get_current_settings

        process: Any = self._copy  # of a process, the handle reads `pid` and `exitcode`
        handle = ProcessHandle(process, termination_scope=create_isolated_termination_scope(process.pid))
        environ = {
            # Also what stands in a profile or a file: for the programs that the flow starts.
            **get_current_settings().to_environment_variables(exclude_unset=True),
            RUN: str(flow_run.id),
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",  # they are run here
            **self._control(flow_run),
        }
        try:
            self._copy.go(environ)
        except OSError:
            self._control_channel.unregister(flow_run.id)
            raise
        task_status.started(handle)
        try:
            while not self._copy.has_ended():
                await anyio.sleep(_PAUSE)
        except BaseException:
            self._copy.kill()
            raise

    def _control(self, flow_run: FlowRun) -> dict[str, str]:
        """Where the engine says how it ended, and hears that it is to."""
        try:
            port, token = self._control_channel.register(flow_run.id)
        except RuntimeError:
            return {}  # no listener could be bound: it is ended by signals alone
        return {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}
