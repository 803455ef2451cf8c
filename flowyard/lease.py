"""Keeps two ships of one flow apart with leases on concurrency limits in the Prefect server.

The server is the one place that every laptop and CI job shares; a lease there expires by itself when its
holder dies, so no lock file is ever left behind on a machine.

A limit of one slot per flow is made when it is missing. The server ignores names it does not know and
limits that are switched off, so every lease is checked for what it really holds. A server that keeps its
leases in memory (the default) forgets them when it restarts, but keeps the slot taken: a holder that is
still there gives the slot back itself; if the holder died as well, `forget` does.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flowyard.adapters.prefect_api import Conflict, Gone, Locked, NotFound, read_all
from flowyard.errors import OrderError, PrefectError
from flowyard.ports import PrefectApi
from flowyard.values import Json

_LIMITS = "/v2/concurrency_limits"


class Busy(OrderError):
    """Another ship holds some of the names. `names` are those it holds."""

    def __init__(self, message: str, *, names: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class Terms:
    """All in seconds: `duration` of the lease between renewals (a Prefect server wants 60 or more), how
    long to `wait` for a busy name, and the pause between two tries (`poll`)."""

    duration: float = 120.0
    wait: float = 0.0
    poll: float = 1.0


def flow_limit(project: str, target: str, flow: str) -> str:
    """The name of the limit of one flow on one target. (Prefect allows no slash in it.)"""
    return f"flowyard:{project}:{target}:{flow}"


def head_limit(project: str, target: str) -> str:
    """The name of the limit around changes of the target's head."""
    return f"flowyard:{project}:{target}"


class Lease:
    """What is held until the end of `hold`, renewed in the background."""

    def __init__(self, api: PrefectApi, names: Sequence[str], lease: str, terms: Terms, start: float) -> None:
        self.names = tuple(names)
        self._api = api
        self._id = lease
        self._terms = terms
        self._valid_until = start + terms.duration
        self._forgotten = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="flowyard-lease", daemon=True)

    def check(self) -> None:
        """Raise OrderError when the lease ran out, so that another ship may have begun.

        To be called before each step that writes.
        """
        if self._lost:
            raise OrderError(
                f"the lease on {_listed(self.names)} ran out: the Prefect server could not be asked in time to renew it",
                hint="ship again when the Prefect server answers",
            )

    @property
    def _lost(self) -> bool:
        return not self._forgotten and time.monotonic() > self._valid_until

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def end(self) -> None:
        """Stop renewing and give the slots back. Raises PrefectError when the server cannot be told."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        # A decrement needs no lease id, so it serves only while nobody else can hold the slot.
        if self._forgotten:
            self._api.request("POST", f"{_LIMITS}/decrement", {"names": list(self.names), "slots": 1})
        else:
            self._api.request("POST", f"{_LIMITS}/decrement-with-lease", {"lease_id": self._id})

    def _keep(self) -> None:
        while not self._ended.wait(self._terms.duration / 3):
            start = time.monotonic()
            try:
                self._api.request(
                    "POST", f"{_LIMITS}/leases/{self._id}/renew", {"lease_duration": self._terms.duration}
                )
            except Gone:
                # Not expired, yet unknown: the server restarted and forgot it. It also forgot to free the
                # slot, so we hold that until the end. Otherwise it expired, and the slot may be another's.
                self._forgotten = start < self._valid_until
                return
            except PrefectError:
                continue  # tried again after the next third; `check` tells when it was too late
            self._valid_until = start + self._terms.duration


@contextmanager
def hold(api: PrefectApi, names: Iterable[str], terms: Terms | None = None) -> Iterator[Lease]:
    """Hold all the names, or none: from here to the end of the block nobody else does.

    Raises Busy when somebody does after `terms.wait` seconds, PrefectError when the server refuses.
    """
    wanted = tuple(sorted(set(names)))
    lease = _acquire(api, wanted, terms or Terms())
    lease.start()
    try:
        yield lease
    except BaseException as error:
        try:
            lease.end()
        except PrefectError as second:
            error.add_note(
                f"The lease on {_listed(wanted)} could not be given back ({second}); it will expire."
            )
        raise
    lease.end()


def forget(api: PrefectApi, names: Iterable[str]) -> None:
    """Free the names whoever holds them: for slots that a dead ship and a restarted server left taken."""
    for name in names:
        try:
            api.request("DELETE", f"{_LIMITS}/{name}")
        except NotFound:
            continue


def _acquire(api: PrefectApi, names: Sequence[str], terms: Terms) -> Lease:
    deadline = time.monotonic() + terms.wait
    while True:
        try:
            return _try(api, names, terms)
        except Locked:
            if time.monotonic() + terms.poll > deadline:
                raise _busy(api, names) from None
        time.sleep(terms.poll * random.uniform(0.5, 1.0))


def _try(api: PrefectApi, names: Sequence[str], terms: Terms) -> Lease:
    """One attempt, which makes the limits that are missing. Raises Locked."""
    lease, held = _increment(api, names, terms)
    missing = [name for name in names if name not in held]
    if missing:
        lease.end()
        for name in missing:
            _create(api, name)
        lease, held = _increment(api, names, terms)
    problems = [name for name in names if held.get(name) != 1] or _unprotected(api, names)
    if problems:
        lease.end()
        raise PrefectError(
            f"the concurrency limit {_listed(problems)} was changed in Prefect and protects nothing",
            hint=f"delete it, it is made again: prefect gcl delete {problems[0]}",
        )
    return lease


def _increment(api: PrefectApi, names: Sequence[str], terms: Terms) -> tuple[Lease, Mapping[str, int]]:
    """Take a slot of each name at once; also the limits the server knows, by name."""
    start = time.monotonic()
    body = {"names": list(names), "slots": 1, "mode": "concurrency", "lease_duration": terms.duration}
    answer = api.request("POST", f"{_LIMITS}/increment-with-lease", body)
    held = {str(limit["name"]): int(limit["limit"]) for limit in answer["limits"]}
    return Lease(api, sorted(held), str(answer["lease_id"]), terms, start), held


def _create(api: PrefectApi, name: str) -> None:
    try:
        api.request("POST", f"{_LIMITS}/", {"name": name, "limit": 1, "active": True})
    except Conflict:
        return  # another ship made it in between


def _unprotected(api: PrefectApi, names: Sequence[str]) -> list[str]:
    """The names whose limit is switched off, decays or is gone: the server says so in no other answer."""
    found = {str(limit["name"]): limit for limit in _read(api, names)}
    return [name for name in names if not _protects(found.get(name))]


def _protects(limit: Json) -> bool:
    return limit is not None and bool(limit["active"]) and not limit["slot_decay_per_second"]


def _read(api: PrefectApi, names: Sequence[str]) -> list[Json]:
    if len(names) == 1:
        return [api.request("GET", f"{_LIMITS}/{names[0]}")]
    return read_all(api, f"{_LIMITS}/filter", {})


def _busy(api: PrefectApi, names: Sequence[str]) -> Busy:
    taken = [
        str(limit["name"]) for limit in _read(api, names) if limit["name"] in names and limit["active_slots"]
    ]
    if not taken:  # given back between the two questions
        return Busy(f"another ship held one of {_listed(names)} a moment ago", names=(), hint="ship again")
    flows = [name.rpartition(":")[2] for name in taken]
    return Busy(
        f"another ship of {_listed(flows)} is running",
        names=taken,
        hint="wait for it and ship again; if there is none (a ship was killed and the Prefect server restarted"
        f" since), free it: prefect gcl delete {taken[0]}",
    )


def _listed(names: Sequence[str]) -> str:
    most = 5
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
