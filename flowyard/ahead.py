"""Loads what a ship that has something to do needs, while the Prefect API is asked.

It takes as long as the answers do, and a ship with nothing to do never pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread

MODULES = ("flowyard.shipment", "flowyard.planning.foresee", "flowyard.adapters.buildx", "jsonschema")


@contextmanager
def loading(modules: tuple[str, ...] = MODULES) -> Iterator[Thread]:
    """Load them in a thread: join it before what they hold is used. It has ended with the block."""
    thread = Thread(target=_load, args=(modules,), name="ahead")
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def _load(modules: tuple[str, ...]) -> None:
    for module in modules:
        try:
            import_module(module)
        except ImportError:  # told where it is needed, with a place
            return
