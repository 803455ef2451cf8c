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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flowyard.adapters.prefect_api import read_all
from flowyard.errors import Conflict, Gone, Locked, NotFound, OrderError, PrefectError
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


class _Since:
    """Seconds since a moment, by the clock that says more: one of them stands still while a laptop sleeps."""

    def __init__(self) -> None:
        self._monotonic = time.monotonic()
        self._wall = time.time()

    def elapsed(self) -> float:
        return max(time.monotonic() - self._monotonic, time.time() - self._wall)


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the server gave: a lease for `duration` seconds from `since` on, on the limits it knows."""

    id: str
    names: tuple[str, ...]
    duration: float
    since: _Since


class Lease:
    """What is held until the end of `hold`, renewed in the background."""

    def __init__(self, api: PrefectApi, granted: _Granted) -> None:
        self.names = granted.names
        self._api = api
        self._id = granted.id
        self._duration = granted.duration
        self._renewed = granted.since
        self._forgotten = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="flowyard-lease", daemon=True)

    def check(self) -> None:
        """Raise OrderError when the lease ran out, so that another ship may have begun.

        To be called before each step that writes.
        """
        if self._ended.is_set():
            raise OrderError(f"the lease on {_listed(self.names)} was given back", hint="ship again")
        if not self._forgotten and self._expired:
            raise OrderError(
                f"the lease on {_listed(self.names)} ran out: it could not be renewed in time",
                hint="ship again when the Prefect server answers",
            )

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def end(self) -> None:
        """Stop renewing and give the slots back. Raises PrefectError when the server cannot be told."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        # Giving back a lease that the server forgot succeeds and does nothing, so it is asked first.
        if not self._forgotten:
            self._renew()
        if self._forgotten:
            self._api.request("POST", f"{_LIMITS}/decrement", {"names": list(self.names), "slots": 1})
        else:
            self._api.request("POST", f"{_LIMITS}/decrement-with-lease", {"lease_id": self._id})

    @property
    def _expired(self) -> bool:
        return self._renewed.elapsed() > self._duration

    def _keep(self) -> None:
        while not self._ended.wait(self._duration / 3):
            try:
                known = self._renew()
            except PrefectError:
                continue  # tried again after the next third; `check` tells when it was too late
            if not known:
                return

    def _renew(self) -> bool:
        """Whether the server still knows the lease."""
        now = _Since()
        body = {"lease_duration": self._duration}
        try:
            self._api.request("POST", f"{_LIMITS}/leases/{self._id}/renew", body)
        except Gone:
            # Unknown before it expired: the server restarted, and forgot that the slot is to be freed too.
            # Nobody else can have it, so it is ours until the end. Expired, it may be another's by now.
            self._forgotten = not self._expired
            return False
        self._renewed = now
        return True


@contextmanager
def hold(api: PrefectApi, names: Iterable[str], terms: Terms | None = None) -> Iterator[Lease]:
    """Hold all the names, or none: from here to the end of the block nobody else does.

    Raises Busy when somebody does after `terms.wait` seconds, PrefectError when the server refuses,
    ValueError without a name.
    """
    wanted = tuple(sorted(set(names)))
    if not wanted:
        raise ValueError("a lease needs a name")
    lease = _acquire(api, wanted, terms or Terms())
    lease.start()
    try:
        yield lease
    except BaseException as error:
        try:
            lease.end()
        except PrefectError as second:
            error.add_note(f"The lease could not be given back ({second}); it expires by itself.")
        raise
    # All is done by now: a lease that cannot be given back only makes the next ship wait until it expires.
    with suppress(PrefectError):
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
            return _try(api, names, terms.duration)
        except Locked:
            if time.monotonic() + terms.poll > deadline:
                raise _busy(api, names) from None
        time.sleep(terms.poll * random.uniform(0.5, 1.0))  # noqa: S311  # spreads ships, hides nothing


def _try(api: PrefectApi, names: Sequence[str], duration: float) -> Lease:
    """One attempt, which makes the limits that are missing. Raises Locked."""
    lease = _increment(api, names, duration)
    missing = set(names).difference(lease.names)
    if missing:
        lease.end()
        for name in sorted(missing):
            _create(api, name)
        lease = _increment(api, names, duration)
    try:
        _refuse_unprotected(api, names)
    except BaseException:
        lease.end()
        raise
    return lease


def _increment(api: PrefectApi, names: Sequence[str], duration: float) -> Lease:
    """Take a slot of each name at once, except of those that the server does not know. Raises Locked."""
    since = _Since()
    body = {"names": list(names), "slots": 1, "mode": "concurrency", "lease_duration": duration}
    answer = api.request("POST", f"{_LIMITS}/increment-with-lease", body)
    held = tuple(sorted(str(limit["name"]) for limit in answer["limits"]))
    return Lease(api, _Granted(str(answer["lease_id"]), held, duration, since))


def _create(api: PrefectApi, name: str) -> None:
    try:
        api.request("POST", f"{_LIMITS}/", {"name": name, "limit": 1, "active": True})
    except Conflict:
        return  # another ship made it in between


def _refuse_unprotected(api: PrefectApi, names: Sequence[str]) -> None:
    """Raise PrefectError unless each limit is on and has one slot: no other answer of the server says so."""
    found = {str(limit["name"]): limit for limit in _read(api, names)}
    problems = [name for name in names if not _protects(found.get(name))]
    if problems:
        raise PrefectError(
            f"the concurrency limit {_listed(problems)} was changed in Prefect and protects nothing",
            hint=f"delete it, it is made again: prefect gcl delete {problems[0]}",
        )


def _protects(limit: Json) -> bool:
    if limit is None:
        return False
    return bool(limit["active"] and limit["limit"] == 1 and limit["slot_decay_per_second"] == 0)


def _read(api: PrefectApi, names: Sequence[str]) -> list[Json]:
    if len(names) == 1:
        return [api.request("GET", f"{_LIMITS}/{names[0]}")]
    return read_all(api, f"{_LIMITS}/filter", {})


def _busy(api: PrefectApi, names: Sequence[str]) -> Busy:
    limits = [limit for limit in _read(api, names) if limit["name"] in names]
    taken = [str(limit["name"]) for limit in limits if limit["active_slots"]]
    if not taken:  # given back between the two questions
        return Busy(f"another ship held one of {_listed(names)} a moment ago", names=(), hint="ship again")
    return Busy(
        f"another ship of {_listed([_subject(name) for name in taken])} is running",
        names=taken,
        hint="wait for it and ship again; if none runs (one was killed and the server restarted since),"
        f" free it: prefect gcl delete {taken[0]}",
    )


def _subject(name: str) -> str:
    target, flow = (*name.split(":"), "", "")[2:4]
    return flow or f"the head of {target}"


def _listed(names: Sequence[str]) -> str:
    most = 5
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
