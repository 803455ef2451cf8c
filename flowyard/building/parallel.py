"""Runs one function over many items, a few at a time, and keeps every outcome.

Outcomes are values because one flow's failure must not end, or hide, the work on the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flowyard.errors import FlowFailed

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4  # more builds at once only share the same cores and the same disk


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """The worker's result for an item."""

    item: Item
    value: Result


@dataclass(frozen=True, slots=True)
class Failed(Generic[Item]):
    """The worker raised; `errors.expected` says how an error that is not ours is reported."""

    item: Item
    error: Exception


Outcome = Done[Item, Result] | Failed[Item]


class Stopped(KeyboardInterrupt):
    """The work was interrupted. `outcomes` has one per item, as `run_parallel` would have returned them."""

    def __init__(self, outcomes: tuple[Outcome[Any, Any], ...]) -> None:
        super().__init__()
        self.outcomes = outcomes


def nothing() -> None:
    """For work that needs no stopping."""


def default_limit() -> int:
    """As many as this process has cores, at most 4."""
    if hasattr(os, "sched_getaffinity"):  # not on every system; it knows what a container may use
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


def run_parallel(
    items: Iterable[Item],
    worker: Callable[[Item], Result],
    limit: int | None = None,
    stop: Callable[[], None] = nothing,
) -> tuple[Outcome[Item, Result], ...]:
    """One outcome per item, in the items' order; at most `limit` workers run at once.

    On KeyboardInterrupt no further item begins, `stop` is called (it has to make the running workers
    return), they are waited for, and Stopped is raised.
    """
    work = tuple(items)
    pool = ThreadPoolExecutor(limit or default_limit(), thread_name_prefix="flowyard")
    futures: list[Future[Result]] = []
    try:
        for item in work:
            futures.append(pool.submit(worker, item))
        wait(futures)
    except KeyboardInterrupt as interruption:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        pool.shutdown(wait=True)
        raise Stopped(_outcomes(work, futures)) from interruption
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return _outcomes(work, futures)


def _outcomes(work: Sequence[Item], futures: Sequence[Future[Result]]) -> tuple[Outcome[Item, Result], ...]:
    begun = tuple(_outcome(item, future) for item, future in zip(work, futures, strict=False))
    return (*begun, *(Failed(item, _not_begun()) for item in work[len(begun) :]))


def _outcome(item: Item, future: Future[Result]) -> Outcome[Item, Result]:
    try:
        error = future.exception()
    except CancelledError:
        return Failed(item, _not_begun())
    if error is None:
        return Done(item, future.result())
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not an outcome
        raise error
    return Failed(item, error)


def _not_begun() -> FlowFailed:
    return FlowFailed("interrupted before it began", hint="do it again")
