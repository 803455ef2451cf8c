"""A unit that fails at any one of its requests, in any way: it is as before, it is complete, or the error says
what is left and the next ship mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from flowyard.errors import PrefectError
from flowyard.ports import PrefectApi
from flowyard.register import remove
from tests.fakes_server import TEMPLATE, FakeServer, OldServer
from tests.faults import FAULTS, DiesAt, Faulty, never
from tests.registration import MEND, NEW_RECORD, live, outcome, register_after, register_before, shown
from tests.release_records import history


def prepare() -> bytes:
    """A server with the unit as it was before, and with what people did to it in the UI."""
    server = FakeServer()
    register_before(server, TEMPLATE)
    return server.saved()


def prepared(server: FakeServer | None = None) -> FakeServer:
    """Such a server, another each time."""
    return (server or FakeServer()).load(PREPARED)


def ship(server: FakeServer, api: PrefectApi) -> None:
    """Register the unit as it is to be."""
    register_after(api, TEMPLATE, live(server))


def before_of(server: FakeServer, *, deleted: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """All that must be the same again: what the API shows of deployments, and the release records."""
    records = history(server, "acme", "local", "hello")
    return shown(server, limits_taken_from=["daily"], deleted=deleted), records


def after_of(server: FakeServer) -> tuple[Any, ...]:
    """What a unit that is complete comes to, whatever ids and times it has."""
    return outcome(server.deployments.values(), server.limits, history(server, "acme", "local", "hello"))


def complete() -> tuple[list[str], tuple[Any, ...]]:
    """The requests of the unit when nothing fails, and what it comes to."""
    server = prepared()
    counting = Faulty(server, never(), sys.maxsize)
    ship(server, counting)
    return counting.asked, after_of(server)


PREPARED = prepare()
REQUESTS, COMPLETE = complete()


def cases() -> Iterator[tuple[FakeServer, int]]:
    """A prepared server for each request of the unit."""
    for at in range(len(REQUESTS)):
        yield prepared(), at


def test_the_requests_of_the_unit() -> None:
    """What the other tests fail one by one: reads first, what cannot be undone last."""
    read, write = "POST /deployments/filter", ["POST /flows/", "POST /deployments/", "GET /deployments/ID"]
    identities = {
        identity for path in REQUESTS if (identity := path.removeprefix("GET /deployments/")) != path
    }
    plain = ["GET /deployments/ID" if path.split("/")[-1] in identities else path for path in REQUESTS]
    apart = next(path for path in plain if "/schedules/" in path)
    assert plain == [
        *[read] * 3,
        *["GET /deployments/ID"] * 2,
        *[*write[:2], apart, write[2]],
        *write,
        "POST /artifacts/",
        *write,
        "POST /deployments/bulk_delete",
    ]
    assert COMPLETE[2] == replace(NEW_RECORD, deployments=("hello/daily", "hello/weekly", "hello/new"))
    assert COMPLETE[3] == set()


def failing(server: FakeServer, faulty: Faulty, *, deleted: tuple[str, ...] = ()) -> bool:
    """Ship, see that the unit is complete or as before and that nothing else is said, and say whether it failed."""
    before = before_of(server, deleted=deleted)
    error = None
    try:
        ship(server, faulty)
    except PrefectError as caught:
        error = caught
    request = (faulty.at, faulty.asked[faulty.at])
    if error is None:
        assert after_of(server) == COMPLETE, request
    else:
        assert before_of(server, deleted=deleted) == before, request
        assert getattr(error, "__notes__", []) == [], request
    return error is not None


@pytest.mark.parametrize("kind", FAULTS)
def test_a_unit_is_as_before_after_each_fault(kind: str) -> None:
    """But for an answer that was lost after the fact where asking again shows the fact: then it is complete."""
    complete = {
        REQUESTS[at] for server, at in cases() if not failing(server, Faulty(server, FAULTS[kind], at))
    }
    seen = {"POST /artifacts/", "POST /deployments/bulk_delete"}
    assert complete == (seen if FAULTS[kind].done else set())


@pytest.mark.parametrize(
    ("kind", "lasting"), [("connection refused", 2), ("answer lost, done", 2), ("500 and nothing done", 3)]
)
def test_a_unit_is_as_before_when_putting_back_fails_at_first(kind: str, lasting: int) -> None:
    for server, at in cases():
        failing(server, Faulty(server, FAULTS[kind], at, lasting))


@pytest.mark.parametrize("kind", ["connection refused", "500 and nothing done", "answer lost, done"])
def test_a_unit_is_as_before_when_any_request_of_putting_back_fails(kind: str) -> None:
    """Each of them once, after the last write of a deployment was refused."""
    server, last = prepared(), len(REQUESTS) - 2
    once = Faulty(server, FAULTS["409"], last)
    failing(server, once)
    for at in range(last + 1, len(once.asked)):
        server = prepared()
        first = Faulty(server, FAULTS["409"], last)
        second = Faulty(first, FAULTS[kind], at)
        assert failing(server, second)
    assert at > last + 10, "putting back asks that much"


@pytest.mark.parametrize("done", [True, False])
def test_a_server_that_dies_and_stays_dead_loses_nothing(done: bool) -> None:
    """The error names every deployment that may not be as before, and the next ship makes the unit complete."""
    for server, at in cases():
        before = before_of(server)[0]
        with pytest.raises(PrefectError) as caught:
            ship(server, DiesAt(server, at, done=done))
        notes = getattr(caught.value, "__notes__", [])
        now = before_of(server)[0]
        for name in {
            key.split("/")[-1] for key in before.keys() | now.keys() if before.get(key) != now.get(key)
        }:
            assert any(f"/{name} " in note or f" {name} " in note for note in notes), (at, name, notes)
        assert not notes or notes[-1] == MEND
        ship(server, server)
        assert after_of(server) == COMPLETE, (at, REQUESTS[at])


def test_what_is_said_when_nothing_could_be_put_back() -> None:
    server = prepared()
    last = len(REQUESTS) - 1
    dead = Faulty(server, FAULTS["connection refused"], last, None)
    with pytest.raises(PrefectError) as caught:
        ship(server, dead)
    assert len(dead.asked) == len(REQUESTS) + 2, "each of them waits for half a minute"
    away = ": connection refused"
    assert caught.value.__notes__ == [
        f"deployment older may be gone{away}",
        f"deployment old may be gone{away}",
        f"deployment hello/new is new and may exist{away}",
        f"the release record may say that this was shipped{away}",
        f"deployment hello/weekly may be as it was or as it was being shipped{away}",
        f"deployment hello/daily may be as it was or as it was being shipped{away}",
        MEND,
    ]


@pytest.mark.parametrize("kind", FAULTS)
def test_removing_is_done_or_as_before_after_each_fault(kind: str) -> None:
    for at in range(5):  # one look at each of the four, one request that deletes them
        server = prepared()
        before = before_of(server)
        faulty = Faulty(server, FAULTS[kind], at)
        if at == 4 and FAULTS[kind].done:
            remove(faulty, live(server))
            assert server.deployments == {}
        else:
            with pytest.raises(PrefectError) as caught:
                remove(faulty, live(server))
            assert getattr(caught.value, "__notes__", []) == []
            assert before_of(server) == before, at


@pytest.mark.parametrize("kind", ["500 and nothing done", "answer lost, done"])
def test_a_server_that_deletes_one_by_one_shows_new_ids_and_nothing_else(kind: str) -> None:
    for at in (len(REQUESTS), len(REQUESTS) + 1):  # behind the request that it does not know
        server = prepared(OldServer())
        failing(server, Faulty(server, FAULTS[kind], at), deleted=("old", "older"))
