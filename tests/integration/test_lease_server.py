"""Leases in a real Prefect server: contention, a dead holder, a restarted server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.server.schemas.actions import ConcurrencyLimitV2Create

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.errors import Busy
from flowyard.ports import PrefectApi
from flowyard.releasing.lease import Terms, hold
from flowyard.releasing.limits import flow_limit
from flowyard.values import PrefectAddress
from tests.fakes_prefect import FakePrefect
from tests.integration.prefect_server import free_port, prefect_server

PATH = "/v2/concurrency_limits"
MEMORY = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.memory"}


@pytest.fixture(params=["fake", "real"])
def api(request: pytest.FixtureRequest) -> PrefectApi:
    if request.param == "fake":
        return FakePrefect()
    return PrefectRest(PrefectAddress(request.getfixturevalue("prefect_api")))


def slots(api: PrefectApi, name: str) -> int:
    taken: int = api.request("GET", f"{PATH}/{name}")["active_slots"]
    return taken


def take(api: PrefectApi, name: str) -> str:
    """A lease whose holder dies: nobody renews it or gives it back."""
    body = {"names": [name], "slots": 1, "mode": "concurrency", "lease_duration": 60}
    lease: str = api.request("POST", f"{PATH}/increment-with-lease", body)["lease_id"]
    return lease


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def test_all_or_none(api: PrefectApi) -> None:
    a, b, c = (flow_limit("whole", "local", flow) for flow in "abc")
    with hold(api, [b]), pytest.raises(Busy) as caught, hold(api, [a, b, c]):
        raise AssertionError("not held")
    assert caught.value.message == "another ship of b is running"
    assert caught.value.names == (b,)
    with hold(api, [a, b, c]):
        assert [slots(api, name) for name in (a, b, c)] == [1, 1, 1]
    assert [slots(api, name) for name in (a, b, c)] == [0, 0, 0]


def test_threads_take_turns(api: PrefectApi) -> None:
    name, inside, most = flow_limit("turns", "local", "etl"), 0, 0
    guard = threading.Lock()

    def ship() -> None:
        nonlocal inside, most
        with hold(api, [name], Terms(duration=60, wait=60, poll=0.1)):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=ship) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)
    assert slots(api, name) == 0


@pytest.mark.parametrize("change", [{"active": False}, {"limit": 2}, {"slot_decay_per_second": 0.5}])
def test_a_limit_that_protects_nothing_is_refused(api: PrefectApi, change: dict[str, object]) -> None:
    name = flow_limit("changed", "local", next(iter(change)))
    with hold(api, [name]):
        pass
    api.request("PATCH", f"{PATH}/{name}", change)
    with pytest.raises(Exception, match=f"the concurrency limit {name} was changed"), hold(api, [name]):
        raise AssertionError("not held")
    api.request("DELETE", f"{PATH}/{name}")  # as the hint says
    with hold(api, [name]):
        assert slots(api, name) == 1


def test_unknown_names_are_ignored_by_the_server(api: PrefectApi) -> None:
    """Why every lease is checked for what it holds."""
    body = {"names": ["nobody-made-this"], "slots": 1, "mode": "concurrency", "lease_duration": 60}
    assert api.request("POST", f"{PATH}/increment-with-lease", body)["limits"] == []


def test_the_payload_is_what_prefects_own_model_accepts() -> None:
    payload = {"name": flow_limit("acme", "local", "etl_daily"), "limit": 1, "active": True}
    model = ConcurrencyLimitV2Create.model_validate(payload)
    assert model.model_dump(mode="json", exclude_unset=True) == payload


def test_the_server_frees_the_slot_of_a_dead_holder(prefect_api: str, prefect_home: Path) -> None:
    api = PrefectRest(PrefectAddress(prefect_api))
    name = flow_limit("dead", "local", "etl")
    with hold(api, [name]):
        pass
    age(prefect_home, take(api, name))
    until(lambda: slots(api, name) == 0)
    with hold(api, [name]):
        assert slots(api, name) == 1


def age(home: Path, lease: str) -> None:
    """Let a lease have expired, instead of waiting for the minute that is the shortest."""
    folder, past = home / "concurrency_leases", (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    for path, change in (
        (folder / f"{lease}.json", {"expiration": past}),
        (folder / "expirations.json", {lease: past}),
    ):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_a_server_that_restarts_and_forgets_its_leases(tmp_path: Path) -> None:
    """The default: leases in memory, slots in the database."""
    port = free_port()
    api = PrefectRest(PrefectAddress(f"http://127.0.0.1:{port}/api"))
    held, dead = (flow_limit("restart", "local", flow) for flow in ("held", "dead"))
    with prefect_server(tmp_path, port=port, settings=MEMORY):
        with hold(api, [dead]):
            pass
        ship = hold(api, [held])
        lease = ship.__enter__()
        take(api, dead)
    with prefect_server(tmp_path, port=port, settings=MEMORY):
        assert (slots(api, held), slots(api, dead)) == (1, 1)
        lease.check()
        ship.__exit__(None, None, None)
        assert slots(api, held) == 0  # a living holder gives it back
        with pytest.raises(Busy), hold(api, [dead]):
            raise AssertionError("not held")
        api.request("DELETE", f"{PATH}/{dead}")  # a dead one needs somebody to say so
        with hold(api, [dead]):
            assert slots(api, dead) == 1
