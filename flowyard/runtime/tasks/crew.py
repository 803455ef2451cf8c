"""Threads that perform calls: as many as may run at once, however many calls there are."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from flowyard.runtime.tasks.handles import Handle, Work, work_off


@dataclass(frozen=True)
class Job:
    """A call and its work, to be done in the context in which it was called."""

    handle: Handle
    work: Work
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def do(self) -> None:
        """Perform the call."""
        self.context.run(self.handle.perform, self.work)


def perform_all(jobs: Iterable[Job], at_once: int) -> None:
    """Begin to perform the calls in their order. Whoever is interested in one looks at its handle."""
    waiting = deque(jobs)
    # Daemons: a process that ends does not wait for calls; whoever has begun them does.
    for _ in range(min(at_once, len(waiting))):
        name = f"flowyard-call-{uuid4().hex[:8]}"
        threading.Thread(target=work_off, args=(waiting, Job.do), name=name, daemon=True).start()
