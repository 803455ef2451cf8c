from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from flowyard.errors import Busy, OrderError, PrefectError
from flowyard.releasing.holder import Holder
from flowyard.releasing.lease import Guarded, Terms, hold
from flowyard.releasing.limits import flow_limit, head_limit
from flowyard.values import Json
from tests.fakes_prefect import FakePrefect
from tests.fakes_time import FakeClock

A, B, C = (flow_limit("acme", "local", flow) for flow in ("a", "b", "c"))
PATH = "/v2/concurrency_limits"
MINUTE = Terms(duration=60)  # renewed every 20 s


def slots(fake: FakePrefect) -> dict[str, int]:
    return {name: limit["active_slots"] for name, limit in fake.limits.items()}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def made(fake: FakePrefect, *names: str, **other: Json) -> FakePrefect:
    for name in names:
        fake.request("POST", f"{PATH}/", {"name": name, "limit": 1, "active": True, **other})
    fake.requests.clear()
    return fake


def test_names() -> None:
    assert flow_limit("acme", "local", "etl") == "flowyard:acme:local:etl"
    assert head_limit("acme", "local") == "flowyard:acme:local"


def test_requests_of_one_lease() -> None:
    fake = made(FakePrefect(), A)
    with hold(fake, [A], Terms(duration=60)):
        (lease,) = fake.leases
        assert slots(fake) == {A: 1}
    assert fake.requests == [
        (
            "POST",
            f"{PATH}/increment-with-lease",
            {"names": [A], "slots": 1, "mode": "concurrency", "lease_duration": 60},
        ),
        ("GET", f"{PATH}/{A}", None),
        ("POST", f"{PATH}/leases/{lease}/renew", {"lease_duration": 60}),
        ("POST", f"{PATH}/decrement-with-lease", {"lease_id": lease}),
    ]
    assert slots(fake) == {A: 0}
    assert fake.leases == {}


def test_missing_limits_are_made_before_anything_is_held() -> None:
    fake = made(FakePrefect(), B)
    with hold(fake, [B, A, A]):
        assert slots(fake) == {A: 1, B: 1}
        assert len(fake.leases) == 1
    made_limits = [body for method, path, body in fake.requests if (method, path) == ("POST", f"{PATH}/")]
    assert made_limits == [{"name": A, "limit": 1, "active": True}]
    assert slots(fake) == {A: 0, B: 0}


def test_all_or_none() -> None:
    fake = made(FakePrefect(), A, B, C)
    with hold(fake, [B]), pytest.raises(Busy) as caught, hold(fake, [A, B, C]):
        raise AssertionError("not held")
    assert caught.value.message == "another ship of b is running"
    assert caught.value.names == (B,)
    assert caught.value.hint == (
        "wait for it and ship again; if none runs (one was killed and the server restarted since),"
        " free it: prefect gcl delete flowyard:acme:local:b"
    )
    assert slots(fake) == {A: 0, B: 0, C: 0}


def test_a_busy_head_is_named() -> None:
    fake = made(FakePrefect(), head_limit("acme", "local"))
    with (
        hold(fake, [head_limit("acme", "local")]),
        pytest.raises(Busy, match=r"^another ship of the head of local is running$"),
        hold(fake, [head_limit("acme", "local")]),
    ):
        raise AssertionError("not held")


def test_waits_until_it_is_free() -> None:
    fake = made(FakePrefect(), A)
    first = hold(fake, [A])
    first.__enter__()
    told: list[tuple[tuple[str, ...], str]] = []

    class Ends(FakeClock):
        """The first ship ends while the second waits for the third time."""

        def wait(self, event: threading.Event, seconds: float) -> bool:
            waited = super().wait(event, seconds)
            if threading.current_thread() is threading.main_thread() and 2 < self.seconds < 4:
                first.__exit__(None, None, None)
                self.seconds = 100
            return waited

    holder = Holder(Ends(), waiting=lambda names, hint: told.append((names, hint)))
    with hold(fake, [A], Terms(wait=5, poll=1.2), holder):
        assert slots(fake) == {A: 1}
    assert told == [
        (
            (A,),
            f"if none runs (one was killed and the server restarted since), free it: prefect gcl delete {A}",
        )
    ]


def test_waits_no_longer_than_it_was_told() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    with hold(fake, [A]), pytest.raises(Busy), hold(fake, [A], Terms(wait=30), Holder(clock)):
        raise AssertionError("not held")
    assert 28 < clock.seconds <= 30


def test_a_dead_holder_is_waited_for_until_its_lease_expires() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    fake.seconds = lambda: clock.seconds
    fake.request("POST", f"{PATH}/increment-with-lease", {"names": [A], "slots": 1, "lease_duration": 60})
    with hold(fake, [A], Terms(wait=90), Holder(clock)):
        assert 60 <= clock.seconds < 62


class Notes:
    """LeaseNotes of a machine on which the holders of `dead_ones` died."""

    def __init__(self, *dead_ones: str) -> None:
        self.kept = list(dead_ones)
        self.dead_ones = dead_ones

    def keep(self, lease: str) -> None:
        self.kept.append(lease)

    def drop(self, lease: str) -> None:
        self.kept.remove(lease)

    def dead(self) -> tuple[str, ...]:
        return tuple(lease for lease in self.dead_ones if lease in self.kept)


def test_a_holder_that_died_on_this_machine_is_not_waited_for() -> None:
    fake, clock = made(FakePrefect(), A, B), FakeClock()
    for name in (A, B):
        fake.request("POST", f"{PATH}/increment-with-lease", {"names": [name], "slots": 1})
    dead, _ = fake.leases
    notes = Notes(dead)
    with hold(fake, [A], Terms(), Holder(clock, notes)):
        assert (clock.seconds, len(notes.kept)) == (0, 1)
    assert (notes.kept, slots(fake)) == ([], {A: 0, B: 1})
    with pytest.raises(Busy), hold(fake, [B], Terms(), Holder(clock, notes)):
        raise AssertionError("not held")


def test_a_lease_is_noted_while_it_is_held() -> None:
    fake, notes = FakePrefect(), Notes()
    with pytest.raises(ZeroDivisionError), hold(fake, [A], holder=Holder(notes=notes)):  # noqa: PT012
        assert notes.kept == list(fake.leases)
        raise ZeroDivisionError
    assert notes.kept == []


@pytest.mark.parametrize("path", ["increment-with-lease", A, "decrement-with-lease"])
def test_an_interruption_in_the_middle_of_taking_or_giving_back_leaks_nothing(path: str) -> None:
    fake, shipped = made(FakePrefect(), A), []

    class Interrupted:
        """Ctrl-C comes after the server did it and before the answer is read."""

        def request(self, method: str, where: str, body: Json = None) -> Json:
            answer = fake.request(method, where, body)
            if where.endswith(path):
                signal.raise_signal(signal.SIGINT)
            return answer

    with pytest.raises(KeyboardInterrupt), hold(Interrupted(), [A]):
        shipped.append(A)
    assert (slots(fake), fake.leases) == ({A: 0}, {})
    assert shipped == ([A] if path == "decrement-with-lease" else [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_writes_are_refused_once_the_lease_may_end_but_putting_back_is_not() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    fake.seconds = lambda: clock.seconds
    record = {"key": "k", "type": "table", "data": "[]"}
    with hold(fake, [A], MINUTE, Holder(clock)) as lease:
        api = Guarded(fake, lease)
        api.request("POST", "/artifacts/", record)
        fake.failure = PrefectError("the server is away")
        clock.seconds = 41
        until(lambda: renewals(fake) == 1)
        fake.failure = None
        with pytest.raises(OrderError, match="ran out"):
            api.request("POST", "/artifacts/", record)
        api.request("POST", "/artifacts/", record)  # what puts things back
        clock.seconds = 61
        with pytest.raises(PrefectError, match=r"^the lease ran out, and another ship may be at it$"):
            api.request("POST", "/artifacts/", record)
        assert api.request("GET", f"{PATH}/{A}")["name"] == A
    assert len(fake.artifacts) == 2


def test_a_name_is_needed() -> None:
    with pytest.raises(ValueError, match="a lease needs a name"), hold(FakePrefect(), []):
        raise AssertionError("not held")


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"limit": 2}, {"slot_decay_per_second": 0.5}],
    ids=lambda change: str(change),
)
def test_a_limit_that_protects_nothing_is_refused(change: dict[str, Json]) -> None:
    fake = made(FakePrefect(), A, B)
    fake.limits[B].update(change)
    with pytest.raises(PrefectError) as caught, hold(fake, [A, B]):
        raise AssertionError("not held")
    assert caught.value.message == f"the concurrency limit {B} was changed in Prefect and protects nothing"
    assert caught.value.hint == f"delete it, it is made again: prefect gcl delete {B}"
    assert slots(fake) == {A: 0, B: 0}
    assert fake.leases == {}


def test_is_renewed_while_it_is_held() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    with hold(fake, [A], MINUTE, Holder(clock)) as lease:
        for number in range(1, 5):
            clock.seconds += 20
            until(lambda: renewals(fake) == number)  # noqa: B023  # called at once
        lease.check()  # it would have run out by now
    assert not any(thread.name == "flowyard-lease" for thread in threading.enumerate())


def renewals(fake: FakePrefect) -> int:
    return sum(path.endswith("/renew") for _, path, _ in fake.requests)


def test_a_server_that_cannot_be_asked_ends_the_lease() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    with pytest.raises(OrderError) as caught, hold(fake, [A], MINUTE, Holder(clock)) as lease:  # noqa: PT012
        fake.failure = PrefectError("the server is away")
        clock.seconds = 40
        lease.check()
        assert not lease.lost
        clock.seconds = 41
        lease.check()
    assert caught.value.message == f"the lease on {A} ran out: it could not be renewed in time"
    assert caught.value.__notes__ == [
        "The lease could not be given back (the server is away); it expires by itself."
    ]


def test_work_that_is_done_does_not_fail_because_the_lease_cannot_be_given_back() -> None:
    fake = made(FakePrefect(), A)
    with hold(fake, [A]):
        fake.failure = PrefectError("the server is away")
    assert slots(fake) == {A: 1}  # until it expires


def test_an_expired_lease_never_frees_the_slot_of_another() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    fake.seconds = lambda: clock.seconds
    late = hold(fake, [A], MINUTE, Holder(clock))
    lease = late.__enter__()
    fake.failure = PrefectError("the server is away")
    clock.seconds = 61
    fake.failure = None
    with hold(fake, [A], MINUTE, Holder(clock)):
        assert lease.lost
        with pytest.raises(OrderError):
            lease.check()
        late.__exit__(None, None, None)
        assert slots(fake) == {A: 1}


def test_a_server_that_restarts_neither_breaks_nor_leaks_the_lease() -> None:
    fake = made(FakePrefect(), A)
    with hold(fake, [A], Terms(duration=60)) as lease:
        fake.restart()
        lease.check()
    assert slots(fake) == {A: 0}


def test_a_restart_that_the_renewal_notices() -> None:
    fake, clock = made(FakePrefect(), A), FakeClock()
    with hold(fake, [A], MINUTE, Holder(clock)) as lease:
        fake.restart()
        clock.seconds = 20
        until(lambda: renewals(fake) == 1)
        until(lambda: not any(thread.name == "flowyard-lease" for thread in threading.enumerate()))
        clock.seconds = 200
        lease.check()  # the slot is still taken in the server, by nobody but us
        assert slots(fake) == {A: 1}
    assert slots(fake) == {A: 0}


def test_deleting_the_limit_frees_what_a_dead_ship_left() -> None:
    fake = made(FakePrefect(), A)
    fake.request("POST", f"{PATH}/increment-with-lease", {"names": [A], "slots": 1})
    fake.restart()
    fake.request("DELETE", f"{PATH}/{A}")
    with hold(fake, [A]):
        assert slots(fake) == {A: 1}


def test_what_was_given_back_is_not_held() -> None:
    fake = made(FakePrefect(), A, B)
    with hold(fake, [A, B]) as lease:
        lease.check()
    fake.requests.clear()
    with pytest.raises(OrderError) as caught:
        lease.check()
    assert (caught.value.message, caught.value.hint) == (
        f"the lease on {A}, {B} was given back",
        "ship again",
    )
    assert fake.requests == []


def test_a_lease_of_a_ship_that_failed_is_given_back_too() -> None:
    fake = made(FakePrefect(), A)
    with pytest.raises(ZeroDivisionError), hold(fake, [A]) as lease:
        raise ZeroDivisionError
    with pytest.raises(OrderError, match="was given back"):
        lease.check()
