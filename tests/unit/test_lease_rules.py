from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from flowyard.errors import OrderError, PrefectError
from flowyard.releasing.lease import Busy, Terms, flow_limit, forget, head_limit, hold
from flowyard.values import Json
from tests.fakes_prefect import FakePrefect

A, B, C = (flow_limit("acme", "local", flow) for flow in ("a", "b", "c"))
PATH = "/v2/concurrency_limits"
BRIEF = Terms(duration=0.6)  # renewed every 0.2 s


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
    timer = threading.Timer(0.05, first.__exit__, (None, None, None))
    timer.start()
    with hold(fake, [A], Terms(wait=5, poll=0.01)):
        assert slots(fake) == {A: 1}
    timer.join()


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
    fake = made(FakePrefect(), A)
    with hold(fake, [A], BRIEF) as lease:
        until(lambda: sum(path.endswith("/renew") for _, path, _ in fake.requests) >= 4)
        lease.check()  # it would have run out by now
    assert not any(thread.name == "flowyard-lease" for thread in threading.enumerate())


def test_a_server_that_cannot_be_asked_ends_the_lease() -> None:
    fake = made(FakePrefect(), A)
    with pytest.raises(OrderError) as caught, hold(fake, [A], BRIEF) as lease:  # noqa: PT012
        fake.failure = PrefectError("the server is away")
        time.sleep(2 * BRIEF.duration)
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
    fake = made(FakePrefect(), A)
    late = hold(fake, [A], BRIEF)
    lease = late.__enter__()
    fake.failure = PrefectError("the server is away")
    time.sleep(2 * BRIEF.duration)
    fake.failure = None
    fake.expire_leases()
    with hold(fake, [A], Terms(duration=60)):
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
    fake = made(FakePrefect(), A)
    with hold(fake, [A], BRIEF) as lease:
        fake.restart()
        time.sleep(2 * BRIEF.duration)
        lease.check()  # the slot is still taken in the server, by nobody but us
        assert slots(fake) == {A: 1}
    assert slots(fake) == {A: 0}


def test_forget_frees_what_a_dead_ship_left() -> None:
    fake = made(FakePrefect(), A)
    fake.request("POST", f"{PATH}/increment-with-lease", {"names": [A], "slots": 1})
    fake.restart()
    forget(fake, [A, B])
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
