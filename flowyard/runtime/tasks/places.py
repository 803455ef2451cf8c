"""Where this process's calls are performed, and which of them are open."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowyard.runtime.marks import RUN
from flowyard.runtime.names import PINS_ENV, STARTED
from flowyard.runtime.tasks.handles import OpenCalls

if TYPE_CHECKING:
    from flowyard.runtime.tasks.runs import Place

OPEN = OpenCalls()


class Places:
    """Each place is made once, however many threads ask for it at once."""

    def __init__(self, make: Callable[[bool], Place]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[bool, Place] = {}

    def of(self, *, is_local: bool) -> Place:
        """The place, for flows that were started by hand or for others."""
        with self._lock:
            if is_local not in self._made:
                self._made[is_local] = self._make(is_local)
            return self._made[is_local]


def place() -> Place:
    """Where called flows are executed."""
    return _PLACES.of(is_local=is_local(os.environ))


def is_local(environ: Mapping[str, str]) -> bool:
    """Whether the flow that calls was started by hand: not shipped with tasks, not in an image, by no worker."""
    return not any(environ.get(name) for name in (PINS_ENV, RUN, STARTED))


def _made(is_local: bool) -> Place:
    if is_local:
        from flowyard.runtime.tasks.local import local_place

        return local_place(OPEN)
    from flowyard.runtime.tasks.prefect_runs import prefect_place

    return prefect_place(os.environ)


_PLACES = Places(_made)
