"""Runs one function over many items, a few at a time, and keeps every outcome.

Outcomes are values because one flow's failure must not end, or hide, the work on the others.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from flowyard.errors import Unfinished
from flowyard.pace import UNHURRIED, Pace

Item = TypeVar("Item")
Result = TypeVar("Result")

INTERRUPTED = "interrupted before it began"
FAILED_BEFORE = "not begun: another flow failed first"
MEMORY_OF_ONE = 1 << 30  # bytes: a build installs packages, imports the flow and compresses layers
_MEMORY, _BOUND = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")  # Linux; elsewhere it is not known
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
    """As many as this process has cores and the machine has memory for, at most 4."""
    if hasattr(os, "sched_getaffinity"):  # not on every system; it knows what a container may use
        return limit_for(len(os.sched_getaffinity(0)), _memory())
    return limit_for(os.cpu_count() or 1, _memory())


def limit_for(cores: int, memory: int | None) -> int:
    """How many builds at once fit so many cores, and so many bytes of memory where that is known."""
    fitting = MOST if memory is None else memory // MEMORY_OF_ONE
    return max(1, min(cores, fitting, MOST))


def _memory() -> int | None:
    """Bytes that can still be had: what the system has left, or the bound of a container where that is less."""
    with suppress(OSError, ValueError, StopIteration):
        lines = _MEMORY.read_text("ascii").splitlines()
        left = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
        with suppress(OSError, ValueError):  # `max` where there is no bound
            left = min(left, int(_BOUND.read_text("ascii")))
        return left
    return None


def run_parallel(
    items: Iterable[Item],
    worker: Callable[[Item], Result],
    pace: Pace = UNHURRIED,
    stop: Callable[[], None] = nothing,
) -> tuple[Outcome[Item, Result], ...]:
    """One outcome per item, in the items' order; at most `pace.jobs` workers run at once.

    On KeyboardInterrupt no further item begins, `stop` is called (it has to make the running workers
    return), they are waited for, and Stopped is raised. After the first failure of a pace that fails fast it is
    the same, but nothing is raised.
    """
    work = tuple(items)
    pool = ThreadPoolExecutor(pace.jobs or default_limit(), thread_name_prefix="flowyard")
    futures: list[Future[Result]] = []
    begin = _until_failed(worker) if pace.fail_fast else worker

    def end() -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        pool.shutdown(wait=True)

    try:
        for item in work:
            futures.append(pool.submit(begin, item))
        if wait(futures, return_when=FIRST_EXCEPTION if pace.fail_fast else ALL_COMPLETED).not_done:
            end()
    except KeyboardInterrupt as interruption:
        end()
        raise Stopped(_outcomes(work, futures, INTERRUPTED)) from interruption
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return _outcomes(work, futures, FAILED_BEFORE)


def _until_failed(worker: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The worker until it has failed once: a thread takes the next item before who waits hears of the failure."""
    failed = threading.Event()

    def begin(item: Item) -> Result:
        if failed.is_set():
            raise _not_begun(FAILED_BEFORE)
        try:
            return worker(item)
        except Exception:
            failed.set()
            raise

    return begin


def _outcomes(
    work: Sequence[Item], futures: Sequence[Future[Result]], why: str
) -> tuple[Outcome[Item, Result], ...]:
    begun = tuple(_outcome(item, future, why) for item, future in zip(work, futures, strict=False))
    return (*begun, *(Failed(item, _not_begun(why)) for item in work[len(begun) :]))


def _outcome(item: Item, future: Future[Result], why: str) -> Outcome[Item, Result]:
    try:
        error = future.exception()
    except CancelledError:
        return Failed(item, _not_begun(why))
    if error is None:
        return Done(item, future.result())
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not an outcome
        raise error
    return Failed(item, error)


def _not_begun(why: str) -> Unfinished:
    return Unfinished(why, hint="do it again")
