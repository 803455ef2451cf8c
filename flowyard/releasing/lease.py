"""Keeps two ships of one flow apart with leases on concurrency limits in the Prefect server.

The server is the one place that every laptop and CI job shares; a lease there expires by itself when its
holder dies, so no lock that anybody has to remove is ever left behind on a machine. What a holder notes on
its own machine only shortens that: the next ship there sees the death and gives the lease back at once.

Every lease is checked for what it really holds (limits.py says why). A server that keeps its
leases in memory (the default) forgets them when it restarts, but keeps the slot taken: a holder that is
still there gives the slot back itself; if the holder died as well, deleting the limit frees it
(`prefect gcl delete NAME`), and the next ship makes it again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flowyard.errors import Gone, Locked, OrderError, PrefectError
from flowyard.interruption import uninterrupted
from flowyard.ports import PrefectApi
from flowyard.releasing.holder import Holder, Moment, elapsed
from flowyard.releasing.limits import (
    LIMITS,
    busy,
    create,
    how_to_free,
    listed,
    refuse_unprotected,
)
from flowyard.values import Json


@dataclass(frozen=True, slots=True)
class Terms:
    """All in seconds: `duration` of the lease between renewals (a Prefect server wants 60 or more), how
    long to `wait` for a busy name, and the pause between two tries (`poll`)."""

    duration: float = 60.0
    wait: float = 0.0
    poll: float = 1.0


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the server gave: a lease for `duration` seconds from `since` on, on the limits it knows."""

    id: str
    names: tuple[str, ...]
    duration: float
    since: Moment


class Lease:
    """What is held until the end of `hold`, renewed in the background."""

    def __init__(self, api: PrefectApi, granted: _Granted, holder: Holder) -> None:
        self.names = granted.names
        self._api = api
        self._holder = holder
        self._id = granted.id
        self._duration = granted.duration
        self._renewed = granted.since
        self._forgotten = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="flowyard-lease", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether another ship may hold the names by now."""
        return self._ended.is_set() or (not self._forgotten and self._age > self._duration)

    def check(self) -> None:
        """Raise OrderError when the lease ran out or soon will, so that another ship may begin.

        To be called before each step that writes. Two of three renewals have failed by then; what is left of
        the lease is for the writes under way, and for putting back what was written.
        """
        if self._ended.is_set():
            raise OrderError(f"the lease on {listed(self.names)} was given back", hint="ship again")
        if not self._forgotten and self._age > self._duration * 2 / 3:
            raise OrderError(
                f"the lease on {listed(self.names)} ran out: it could not be renewed in time",
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
            self._api.request("POST", f"{LIMITS}/decrement", {"names": list(self.names), "slots": 1})
        else:
            _give_back(self._api, self._id)
        self._holder.notes.drop(self._id)

    @property
    def _age(self) -> float:
        return elapsed(self._renewed, self._holder.clock.now())

    def _keep(self) -> None:
        while not self._holder.clock.wait(self._ended, self._duration / 3):
            try:
                known = self._renew()
            except PrefectError:
                continue  # tried again after the next third; `check` tells when it was too late
            if not known:
                return

    def _renew(self) -> bool:
        """Whether the server still knows the lease."""
        now = self._holder.clock.now()
        body = {"lease_duration": self._duration}
        try:
            self._api.request("POST", f"{LIMITS}/leases/{self._id}/renew", body)
        except Gone:
            # Unknown before it expired: the server restarted, and forgot that the slot is to be freed too.
            # Nobody else can have it, so it is ours until the end. Expired, it may be another's by now.
            self._forgotten = self._age <= self._duration
            return False
        self._renewed = now
        return True


class Guarded:
    """A PrefectApi that writes only while the lease is ours.

    The first write that comes too late is refused with OrderError. What is put back because of it may use
    what is left of the lease; after its end nothing is written at all, since it may undo another's work.
    """

    def __init__(self, api: PrefectApi, lease: Lease) -> None:
        self._api = api
        self._lease = lease
        self._refused = False

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        if method != "GET" and not path.endswith("/filter"):
            self._check()
        return self._api.request(method, path, body)

    def _check(self) -> None:
        if not self._refused:
            self._refused = True
            self._lease.check()
            self._refused = False
        elif self._lease.lost:
            raise PrefectError("the lease ran out, and another ship may be at it")


@contextmanager
def hold(
    api: PrefectApi, names: Iterable[str], terms: Terms | None = None, holder: Holder | None = None
) -> Iterator[Lease]:
    """Hold all the names, or none: from here to the end of the block nobody else does.

    Raises Busy when somebody does after `terms.wait` seconds, PrefectError when the server refuses,
    ValueError without a name.
    """
    wanted = tuple(sorted(set(names)))
    if not wanted:
        raise ValueError("a lease needs a name")
    taken: list[Lease] = []
    try:
        _acquire(api, wanted, terms or Terms(), holder or Holder(), taken)
        yield taken[0]
    except BaseException as error:
        with uninterrupted():
            _end_after(error, taken)
        raise
    # All is done by now: a lease that cannot be given back only makes the next ship wait until it expires.
    with uninterrupted(), suppress(PrefectError):
        taken[0].end()


def _end_after(error: BaseException, taken: Sequence[Lease]) -> None:
    for lease in taken:
        try:
            lease.end()
        except PrefectError as second:
            error.add_note(f"The lease could not be given back ({second}); it expires by itself.")


def _acquire(api: PrefectApi, names: Sequence[str], terms: Terms, holder: Holder, taken: list[Lease]) -> None:
    """Wait for the names; the lease is in `taken` from the moment on from which it has to be ended."""
    began, told = holder.clock.now(), False
    while True:
        try:
            with uninterrupted():
                _try(api, names, terms.duration, holder, taken)
            return
        except Locked:
            if bury(api, holder):
                continue
            if elapsed(began, holder.clock.now()) + terms.poll > terms.wait:
                raise busy(api, names) from None
        if not told:
            found = busy(api, names)
            told = bool(found.names)
            if told:
                holder.waiting(found.names, how_to_free(found.names[0]))
        spread = random.uniform(0.5, 1.0)  # noqa: S311  # spreads ships, hides nothing
        holder.clock.wait(threading.Event(), terms.poll * spread)


def bury(api: PrefectApi, holder: Holder) -> bool:
    """Give back the leases whose holder died on this machine; whether there were any."""
    dead = holder.notes.dead()
    for lease in dead:
        _give_back(api, lease)
        holder.notes.drop(lease)
    return bool(dead)


def _give_back(api: PrefectApi, lease: str) -> None:
    api.request("POST", f"{LIMITS}/decrement-with-lease", {"lease_id": lease})


def _try(api: PrefectApi, names: Sequence[str], duration: float, holder: Holder, taken: list[Lease]) -> None:
    """One attempt, which makes the limits that are missing. Raises Locked."""
    lease = _increment(api, names, duration, holder)
    missing = set(names).difference(lease.names)
    if missing:
        lease.end()
        for name in sorted(missing):
            create(api, name)
        lease = _increment(api, names, duration, holder)
    try:
        refuse_unprotected(api, names)
    except BaseException:
        lease.end()
        raise
    lease.start()
    taken.append(lease)


def _increment(api: PrefectApi, names: Sequence[str], duration: float, holder: Holder) -> Lease:
    """Take a slot of each name at once, except of those that the server does not know. Raises Locked."""
    since = holder.clock.now()
    body = {"names": list(names), "slots": 1, "mode": "concurrency", "lease_duration": duration}
    answer = api.request("POST", f"{LIMITS}/increment-with-lease", body)
    identity = str(answer["lease_id"])
    holder.notes.keep(identity)
    held = tuple(sorted(str(limit["name"]) for limit in answer["limits"]))
    return Lease(api, _Granted(identity, held, duration, since), holder)
