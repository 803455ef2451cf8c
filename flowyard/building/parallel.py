"""Runs one function over many items, a few at a time, and keeps every outcome.

Outcomes are values because one flow's failure must not end, or hide, the work on the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

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
    return), they are waited for, and the KeyboardInterrupt goes on.
    """
    work = tuple(items)
    pool = ThreadPoolExecutor(limit or default_limit(), thread_name_prefix="flowyard")
    try:
        futures = [pool.submit(worker, item) for item in work]
        wait(futures)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(_outcome(item, future) for item, future in zip(work, futures, strict=True))


def _outcome(item: Item, future: Future[Result]) -> Outcome[Item, Result]:
    error = future.exception()
    if error is None:
        return Done(item, future.result())
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not an outcome
        raise error
    return Failed(item, error)
