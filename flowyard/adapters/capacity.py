"""How many builds at once this machine has cores and memory for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from flowyard.building.pace import limit_for

_MEMORY, _BOUND = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")  # Linux; elsewhere it is not known


def jobs_here() -> int:
    """As many as this process has cores and the machine has memory for, within bounds."""
    if hasattr(os, "sched_getaffinity"):  # not on every system; it knows what a container may use
        return limit_for(len(os.sched_getaffinity(0)), _memory())
    return limit_for(os.cpu_count() or 1, _memory())


def _memory() -> int | None:
    """Bytes that can still be had: what the system has left, or the bound of a container where that is less."""
    with suppress(OSError, ValueError, StopIteration):
        lines = _MEMORY.read_text("ascii").splitlines()
        left = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
        with suppress(OSError, ValueError):  # `max` where there is no bound
            left = min(left, int(_BOUND.read_text("ascii")))
        return left
    return None
