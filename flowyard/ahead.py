"""Begins what takes long before it is needed: answers of servers are waited for beside work, and modules are loaded
beside answers.

A ship with nothing to do is most ships, and half of its time was waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")

# What a ship that has something to do needs; one with nothing to do never loads it.
SHIPMENT = (
    "flowyard.shipping.schedule",
    "flowyard.planning.foresee",
    "flowyard.adapters.buildx",
    "jsonschema",
)


def ahead(work: Callable[[], Result]) -> Future[Result]:
    """The result of work that begins now, in a thread of its own.

    Nobody has to wait for it, as one that fails meanwhile does not: it ends with the process at the latest.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, name="ahead", daemon=True).start()
    return future


def preload(modules: tuple[str, ...] = SHIPMENT) -> None:
    """Import them. One that cannot be imported is told where it is needed, with a place."""
    for module in modules:
        try:
            import_module(module)
        except ImportError:
            return
