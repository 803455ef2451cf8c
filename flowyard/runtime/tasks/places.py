"""Where this process's calls are performed, and which of them are open."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from flowyard.runtime.tasks.handles import OpenCalls

if TYPE_CHECKING:
    from flowyard.runtime.tasks.runs import Place

OPEN = OpenCalls()


@cache
def place() -> Place:
    """Where called flows are executed."""
    from flowyard.runtime.tasks.prefect_runs import prefect_place

    return prefect_place(os.environ)
