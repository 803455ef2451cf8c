"""Who holds a lease: by which clock, and what it leaves on its machine so that its death is seen at once.

Ports of the lease, so that its rules are tested without waiting and without files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

Moment = tuple[float, float]


class Clock(Protocol):
    """Time that passes."""

    def now(self) -> Moment:
        """Seconds of a clock that never goes back, and of one that goes on while the machine sleeps."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so many seconds; whether it is set."""
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> Moment:
        """As Clock.now."""
        return time.monotonic(), time.time()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """As Clock.wait."""
        return event.wait(seconds)


def elapsed(since: Moment, now: Moment) -> float:
    """Seconds by the clock that says more: one of them stands still while a laptop sleeps."""
    return max(now[0] - since[0], now[1] - since[1])


class LeaseNotes(Protocol):
    """Which leases the processes of this machine hold, and which of those processes are dead."""

    def keep(self, lease: str) -> None:
        """Note that this process holds the lease, until `drop` or until it dies."""
        ...

    def drop(self, lease: str) -> None:
        """Note that nobody holds it any more, whoever did."""
        ...

    def dead(self) -> tuple[str, ...]:
        """The noted leases whose holder died. One that may be alive is never among them."""
        ...


class NoNotes:
    """Nothing is noted: a dead holder's lease is free when it expires."""

    def keep(self, lease: str) -> None:
        """As LeaseNotes.keep."""

    def drop(self, lease: str) -> None:
        """As LeaseNotes.drop."""

    def dead(self) -> tuple[str, ...]:
        """As LeaseNotes.dead."""
        return ()


def _say_nothing(names: tuple[str, ...], hint: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What a lease needs of the process that holds it.

    `waiting` is called once when there is something to wait for: with the names that are busy, and with what
    to do when nobody holds them.
    """

    clock: Clock = field(default_factory=SystemClock)
    notes: LeaseNotes = field(default_factory=NoNotes)
    waiting: Callable[[tuple[str, ...], str], None] = _say_nothing
