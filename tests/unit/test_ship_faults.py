"""A ship whose server dies at any one of its requests: nothing claims what is not so, and the next ship converges."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.errors import FlowyardError
from flowyard.outcome import Outcome
from flowyard.pipeline import ship
from flowyard.plan import Action
from flowyard.ports import PrefectApi
from tests.fakes_server import FakeServer
from tests.faults import DiesAt, Faulty, never
from tests.release_records import latest
from tests.support import FLOW, lock, make_project, write_files
from tests.yard_site import FIRST, SECOND, Site

UNCHANGED = {"etl": Action.UNCHANGED, "hello": Action.UNCHANGED}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A project that was shipped, with an edit of one of its flows that was committed since."""
    toml = "[deployments.daily]\n[deployments.weekly]\n"  # nothing is removed later: that would be seen by itself
    root = make_project(tmp_path / "project", {"flows/etl/flow.py": FLOW, "flows/etl/flow.toml": toml})
    lock(root)
    one = Site(root)
    one.ship()
    toml = "[deployments.daily]\n[deployments.weekly]\n[deployments.new]\n"
    write_files(root, {"flows/etl/flow.py": FLOW + "# edited\n", "flows/etl/flow.toml": toml})
    one.commit = SECOND
    return one


def ship_through(site: Site, api: PrefectApi) -> tuple[Outcome, ...]:
    yard = replace(site.yard(), api=api)
    return ship(yard, yard.project.flows, whole=True)


def keys(site: Site) -> dict[str, str]:
    """The key of each deployment of the flow that was edited."""
    rows = site.server.deployments.values()
    return {
        row["name"]: row["labels"]["flowyard.key"] for row in rows if row["labels"]["flowyard.flow"] == "etl"
    }


def newest(site: Site) -> str:
    """The key in the newest release record of the flow that was edited."""
    record = latest(site.server, "acme", "local", "etl")
    assert record is not None
    return record.key


def deaths(site: Site) -> Iterator[DiesAt]:
    """The same server again for each request from the first write on, at which it dies having done it."""
    saved = site.server.saved()
    counting = Faulty(site.server, never(), sys.maxsize)
    assert [one.error for one in ship_through(site, counting)] == [None, None]
    for at in range(counting.asked.index("POST /flows/"), len(counting.asked)):
        site.server = FakeServer().load(saved)
        yield DiesAt(site.server, at, done=True)


def test_wherever_the_server_dies_nothing_is_claimed_and_the_next_ship_converges(site: Site) -> None:
    old = newest(site)
    for number, dying in enumerate(deaths(site)):
        with suppress(FlowyardError):
            ship_through(site, dying)
        complete = set(keys(site)) == {"daily", "weekly", "new"} and old not in keys(site).values()
        assert site.heads()["etl"] == FIRST or complete, (
            f"request {number}: the head is ahead of the deployments"
        )
        assert newest(site) != old or not complete, f"request {number}: complete, and has no record"
        site.server.expire_leases()
        assert {outcome.error for outcome in site.ship().values()} == {None}, number
        assert site.actions() == UNCHANGED, number
        assert set(keys(site).values()) == {newest(site)} != {old}, number
        assert set(keys(site)) == {"daily", "weekly", "new"}, number
        assert site.heads() == {"etl": SECOND, "hello": SECOND}, number
    assert number > 12, "a ship writes that much"
