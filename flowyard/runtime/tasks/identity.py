"""Which call is which, so that a caller that runs again takes up the runs it made, and never another call's.

A call is known by what it asks for: the pin, and the content of its arguments. Not by its position, which
changes with threads. Calls that ask for exactly the same are told apart by counting, and as they are the same it
does not matter which of them is counted first.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """Where a call is made: in a flow run or in a task run, and in which attempt of it."""

    run: str
    attempt: int


class Ledger:
    """Counts the calls of one attempt of a flow run. A task that is retried gets the numbers it had."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Counter[tuple[Site, str]] = Counter()
        self._owners: dict[str, list[tuple[str, int]]] = {}
        self._named: Counter[str] = Counter()

    def name(self, task: str) -> str:
        """A name for people: the task's, with how many calls of it there were in this attempt."""
        with self._lock:
            self._named[task] += 1
            return f"{task}-{self._named[task]}"

    def number(self, content: str, site: Site) -> int:
        """The number of this call among those with the same content."""
        with self._lock:
            nth = self._asked[site, content]
            self._asked[site, content] += 1
            owners = self._owners.setdefault(content, [])
            owner = (site.run, nth)
            if owner not in owners:
                owners.append(owner)
            return owners.index(owner)


class Ledgers:
    """One ledger for each attempt of each flow run that this process executes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[int, Ledger]] = {}

    def of(self, run: str, attempt: int) -> Ledger:
        """The ledger of this attempt; those of earlier attempts are gone."""
        with self._lock:
            known = self._open.get(run)
            if known is None or known[0] != attempt:
                known = self._open[run] = (attempt, Ledger())
            return known[1]


def idempotency_key(root: str, content: str, number: int, generation: int) -> str:
    """The key of a call's flow run. A new generation begins when a run of the one before gave no value."""
    told = hashlib.sha256(f"{root}/{content}/{number}".encode()).hexdigest()[:40]
    return f"flowyard-{told}-{generation}"
