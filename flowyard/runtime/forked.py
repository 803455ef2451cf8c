"""The child of a fork, as the process sees it that made it.

The check of a flow and the run of one both happen in a copy of a process that has loaded Prefect.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

_MOMENT = 0.002  # seconds between two looks at one that was killed


class Forked:
    """A child that nobody else waits for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exitcode: int | None = None

    def has_ended(self) -> bool:
        """Whether it has; `exitcode` then is its exit status, or minus the signal that ended it."""
        if self.exitcode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exitcode = os.waitstatus_to_exitcode(status)
        return self.exitcode is not None

    def kill(self) -> int:
        """End it and what it started, see it end, and say how it did: one that was not waited for still looks alive.

        It may not have a group of its own yet.
        """
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                end(self.pid, signal.SIGKILL)
        while not self.has_ended():
            time.sleep(_MOMENT)
        assert self.exitcode is not None
        return self.exitcode
