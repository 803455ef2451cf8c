"""Where this process's calls are performed, and which of them are open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from flowyard.runtime.marks import RUN, STARTED
from flowyard.runtime.tasks.handles import OpenCalls
from flowyard.runtime.tasks.pins import ENV

if TYPE_CHECKING:
    from flowyard.runtime.tasks.runs import Place

OPEN = OpenCalls()


def place() -> Place:
    """Where called flows are executed."""
    return _place(is_local=is_local(os.environ))


def is_local(environ: Mapping[str, str]) -> bool:
    """Whether the flow that calls was started by hand: not shipped with tasks, not in an image, by no worker."""
    return not any(environ.get(name) for name in (ENV, RUN, STARTED))


@cache
def _place(*, is_local: bool) -> Place:
    if is_local:
        from flowyard.runtime.tasks.local import local_place

        return local_place(OPEN)
    from flowyard.runtime.tasks.prefect_runs import prefect_place

    return prefect_place(os.environ)
