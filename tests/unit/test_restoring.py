"""Putting one deployment back: what is sent, and what belongs to others and is left alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flowyard.errors import PrefectError
from flowyard.registering.restoring import Touched, put_back, restored
from flowyard.values import DeploymentSpec, Json, Schedule
from tests.fakes_server import FakeServer
from tests.registration import MARKS, NEW_IMAGE, NEW_MARKS, put, shown, unit

NIGHTLY = Schedule(cron="0 6 * * *", name="nightly")
DAILY = DeploymentSpec("daily", "flow.py", (NIGHTLY,), {"day": "today"}, concurrency_limit=2)
CHANGED = replace(DAILY, parameters={}, tags=("x",))
ADDED = {"active": True, "schedule": {"interval": 1}, "parameters": {}, "slug": None}


def test_the_body_that_puts_a_deployment_back() -> None:
    """What is null is sent as well, because the server keeps what is not sent; the oldest schedule comes first."""
    live: dict[str, Json] = {
        "id": "1",
        "name": "daily",
        "flow_id": "2",
        "paused": True,
        "description": None,
        "labels": {"a": "b"},
        "global_concurrency_limit": {"name": "deployment:1", "limit": 3},
        "schedules": [ADDED, {**ADDED, "id": "3", "slug": "flowyard-a", "max_scheduled_runs": 4}],
        "created": "now",
    }
    assert restored(live) == {
        "name": "daily",
        "flow_id": "2",
        "paused": True,
        "description": None,
        "labels": {"a": "b"},
        "concurrency_limit": 3,
        "schedules": [
            {**ADDED, "slug": "flowyard-a", "max_scheduled_runs": 4},
            {"active": True, "schedule": {"interval": 1}, "parameters": {}},
        ],
    }


def test_a_limit_that_is_shared_is_linked_again_and_not_changed() -> None:
    live: dict[str, Json] = {"id": "1", "global_concurrency_limit": {"id": "5", "name": "ours", "limit": 3}}
    assert restored(live) == {"global_concurrency_limit_id": "5", "schedules": []}


def written(server: FakeServer) -> tuple[Touched, dict[str, Any]]:
    """A deployment that was changed by a unit, to be put back, and its row."""
    put(server, unit(DAILY))
    before = copy.deepcopy(server.by_name()["hello/daily"])
    put(server, unit(CHANGED, image=NEW_IMAGE, marks=NEW_MARKS))
    body = next(body for method, path, body in reversed(server.requests) if path == "/deployments/")
    return Touched.written("hello", body, before), server.by_name()["hello/daily"]


def test_what_somebody_paused_after_we_wrote_stays_paused() -> None:
    server = FakeServer()
    touched, row = written(server)
    row["paused"] = True
    row["schedules"][0]["active"] = False
    put_back(server, touched)
    after = server.by_name()["hello/daily"]
    assert (after["paused"], after["schedules"][0]["active"], after["parameters"]) == (
        True,
        False,
        {"day": "today"},
    )


def by_another_ship(row: dict[str, Any]) -> None:
    row["labels"]["flowyard.key"] = "key3"


def by_a_tool(row: dict[str, Any]) -> None:
    row["labels"] = {}


@pytest.mark.parametrize("change", [by_another_ship, by_a_tool])
@pytest.mark.parametrize("new", [True, False])
def test_what_somebody_else_wrote_meanwhile_is_left_alone(change: Callable[[Any], None], new: bool) -> None:
    server = FakeServer()
    touched, row = written(server)
    change(row)
    now = shown(server)
    with pytest.raises(PrefectError, match=r"^somebody else wrote it meanwhile, so it is left as it is$"):
        put_back(server, replace(touched, before=None) if new else touched)
    assert shown(server) == now


def test_what_was_not_written_is_not_written_to_put_it_back() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    before = copy.deepcopy(server.by_name()["hello/daily"])
    server.requests.clear()
    put_back(server, Touched.written("hello", {"name": "daily", "labels": MARKS.labels()}, before))
    assert server.writes() == []


def test_a_server_that_does_not_take_it_back_is_told_of() -> None:
    server = FakeServer()
    touched, _ = written(server)

    def forget(row: dict[str, Any]) -> None:
        row |= {"parameters": {}, "schedules": []}

    server.alter = forget
    with pytest.raises(PrefectError, match=r"^the server keeps another value in parameters, schedules$"):
        put_back(server, touched)


def test_a_limit_that_others_share_survives_registering_and_removing_it_from_the_file() -> None:
    """The server deletes the limit of a deployment that is registered without one, whoever shares it."""
    server = FakeServer()
    put(server, unit(replace(DAILY, concurrency_limit=None)))
    shared = server.make_limit({"name": "shared", "limit": 5, "active": True})
    server.by_name()["hello/daily"]["global_concurrency_limit"] = shared
    kept: Mapping[str, Json] = copy.deepcopy(shared)
    put(server, unit(replace(DAILY, concurrency_limit=None), image=NEW_IMAGE))
    assert (server.limits, server.by_name()["hello/daily"]["global_concurrency_limit"]) == (
        {"shared": kept},
        None,
    )


def test_a_limit_that_others_share_is_linked_again() -> None:
    server = FakeServer()
    put(server, unit(replace(DAILY, concurrency_limit=None)))
    shared = server.make_limit({"name": "shared", "limit": 5, "active": True})
    server.by_name()["hello/daily"]["global_concurrency_limit"] = shared
    before, limits = shown(server), copy.deepcopy(server.limits)
    server.refuse = lambda method, path, body: "no" if body and body.get("name") == "weekly" else None
    with pytest.raises(PrefectError, match=r"^no$") as caught:
        put(server, unit(CHANGED, DeploymentSpec("weekly", "flow.py"), marks=NEW_MARKS))
    assert getattr(caught.value, "__notes__", []) == []
    assert (shown(server), server.limits) == (before, limits)
