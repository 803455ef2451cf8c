"""Runs one function over many items, a few at a time, and keeps how each ended.

Endings are values because one flow's failure must not end, or hide, the work on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flowyard.building.pace import ONE_BY_ONE, Pace
from flowyard.errors import Unfinished

Item = TypeVar("Item")
Result = TypeVar("Result")

INTERRUPTED = "interrupted before it began"
FAILED_BEFORE = "not begun: another flow failed first"


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


Ending = Done[Item, Result] | Failed[Item]


class Stopped(KeyboardInterrupt):
    """The work was interrupted. `endings` has one per item, as `run_parallel` would have returned them."""

    def __init__(self, endings: tuple[Ending[Any, Any], ...]) -> None:
        super().__init__()
        self.endings = endings


def nothing() -> None:
    """For work that needs no stopping."""


def nothing_apart(item: object) -> frozenset[object]:
    """For items that may be worked on in any company."""
    return frozenset()


def run_parallel(
    items: Iterable[Item],
    worker: Callable[[Item], Result],
    pace: Pace = ONE_BY_ONE,
    stop: Callable[[], None] = nothing,
    apart: Callable[[Item], frozenset[Any]] = nothing_apart,
) -> tuple[Ending[Item, Result], ...]:
    """One ending per item, in the items' order; at most `pace.jobs` workers run at once.

    Items that have something of `apart` in common are not worked on at the same time; those behind go first then.
    On KeyboardInterrupt no further item begins, `stop` is called (it has to make the running workers
    return), they are waited for, and Stopped is raised. After the first failure of a pace that fails fast it is
    the same, but nothing is raised.
    """
    turns = _Turns(items, apart)
    running: dict[Future[Result], int] = {}
    begun: dict[int, Future[Result]] = {}
    with ThreadPoolExecutor(pace.jobs, thread_name_prefix="flowyard") as pool:
        try:
            while turns.waiting or running:
                while len(running) < pace.jobs and (number := turns.next()) is not None:
                    begun[number] = pool.submit(worker, turns.work[number])
                    running[begun[number]] = number
                ended = wait(running, return_when=FIRST_COMPLETED).done
                for future in ended:
                    turns.end(running.pop(future))
                if pace.fail_fast and any(future.exception() for future in ended):
                    if turns.waiting or running:
                        stop()
                    break
        except KeyboardInterrupt as interruption:
            stop()
            raise Stopped(_endings(turns.work, begun, INTERRUPTED)) from interruption
    return _endings(turns.work, begun, FAILED_BEFORE)


class _Turns(Generic[Item]):
    """Whose turn it is: items by number, those that wait in their order, and what those that run take."""

    def __init__(self, items: Iterable[Item], apart: Callable[[Item], frozenset[Any]]) -> None:
        self.work = tuple(items)
        self.waiting = dict(enumerate(self.work))
        self._apart = apart
        self._taken: dict[int, frozenset[Any]] = {}

    def next(self) -> int | None:
        """Who begins now; None while nobody may. When nothing runs, anybody may."""
        taken = frozenset().union(*self._taken.values())
        for number, item in self.waiting.items():
            own = self._apart(item)
            if taken.isdisjoint(own):
                del self.waiting[number]
                self._taken[number] = own
                return number
        return None

    def end(self, number: int) -> None:
        """This one runs no more."""
        del self._taken[number]


def _endings(
    work: Sequence[Item], begun: Mapping[int, Future[Result]], why: str
) -> tuple[Ending[Item, Result], ...]:
    """Waits for those that still run."""
    return tuple(
        _ending(item, begun[number]) if number in begun else Failed(item, _not_begun(why))
        for number, item in enumerate(work)
    )


def _ending(item: Item, future: Future[Result]) -> Ending[Item, Result]:
    error = future.exception()
    if error is None:
        return Done(item, future.result())
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not an ending
        raise error
    return Failed(item, error)


def _not_begun(why: str) -> Unfinished:
    return Unfinished(why, hint="do it again")
