"""Who calls: the flow run, or the task run in it, that is being executed where the call is made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowyard.runtime.marks import RUN
from flowyard.runtime.tasks.identity import Ledger, Ledgers, Site

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, TaskRun

_ledgers = Ledgers()
_attempts = 0


def note_attempt() -> None:
    """The process's flow begins, once more: its calls are counted anew."""
    global _attempts
    _attempts += 1


@dataclass(frozen=True)
class Caller:
    """The run that calls. `root` is the one whose container this is: its id stays the same over its retries."""

    root: str
    attempt: int
    flow_run: FlowRun | None
    task_run: TaskRun | None

    @property
    def site(self) -> Site:
        """The innermost run, and its attempt."""
        inner = self.task_run or self.flow_run
        return Site(str(inner.id), inner.run_count) if inner else Site(self.root, 0)

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.flow_run.name if self.flow_run else self.task_run.name if self.task_run else self.root

    @property
    def ledger(self) -> Ledger:
        """Where this attempt's calls are counted."""
        return _ledgers.of(self.root, self.attempt)


def caller() -> Caller | None:
    """The run around this line, None outside of any."""
    from prefect.context import FlowRunContext, TaskRunContext

    flow, task = FlowRunContext.get(), TaskRunContext.get()
    flow_run = flow.flow_run if flow else None
    task_run = task.task_run if task else None
    if flow_run is None and task_run is None:
        return None
    root = os.environ.get(RUN) or str(flow_run.id if flow_run else task_run.flow_run_id or task_run.id)  # type: ignore[union-attr]
    # In a process that Flowyard's entry began, its attempts are known; else those of the flow run around.
    attempt = _attempts or (flow_run.run_count if flow_run else 0)
    return Caller(root, attempt, flow_run, task_run)
