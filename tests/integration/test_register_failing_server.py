"""Registering a unit on a real Prefect server that fails at each step, in each way, and is killed: what its API shows
afterwards is what it showed before, byte for byte."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.adapters.prefect_http import Patience
from flowyard.errors import PrefectError
from flowyard.ports import PrefectApi
from flowyard.values import Json, PrefectAddress
from flowyard.work_pools.ensure import ensure_work_pool
from tests.fakes_server import TEMPLATE, FakeServer
from tests.faults import Faulty, never
from tests.integration.failing_server import KilledAt, MortalServer, Proxy, Spoiled, Spoiler, proxied
from tests.registration import MEND, TARGET, live, outcome, register_after, register_before
from tests.release_records import history
from tests.snapshots import snapshot
from tests.support import alive

IMPATIENT = Patience(total=1.5, first_contact=1.5, shortest_wait=0.1, longest_wait=0.2)
RECORDS = {"artifacts": {"key": {"any_": ["flowyard--acme--local--hello"]}}, "sort": "CREATED_DESC"}


@dataclass
class Site:
    """The server, asked directly and with patience."""

    server: MortalServer
    api: PrefectRest
    template: Mapping[str, Json]

    def deployments(self) -> list[Any]:
        """As the API shows them."""
        found: list[Any] = self.api.request("POST", "/deployments/filter", {"sort": "NAME_ASC"})
        return found

    def limits(self) -> list[str]:
        """The names of all concurrency limits."""
        return sorted(
            limit["name"] for limit in self.api.request("POST", "/v2/concurrency_limits/filter", {})
        )

    def shown(self) -> tuple[dict[str, str], list[str], str]:
        """Everything that must be the same again: deployments, the names of limits, and release records."""
        records = json.dumps(self.api.request("POST", "/artifacts/filter", RECORDS), indent=1)
        return snapshot(self.deployments(), limits_taken_from=["daily"]), self.limits(), records

    def outcome(self) -> tuple[Any, ...]:
        """What a unit that is complete comes to."""
        return outcome(self.deployments(), self.limits(), history(self.api, "acme", "local", "hello"))

    def prepare(self) -> None:
        """The unit as it was before, and nothing else."""
        for one in self.deployments():
            self.api.request("DELETE", f"/deployments/{one['id']}")
        for record in self.api.request("POST", "/artifacts/filter", RECORDS):
            self.api.request("DELETE", f"/artifacts/{record['id']}")
        register_before(self.api, self.template)

    def ship(self, api: PrefectApi) -> None:
        """Register the unit as it is to be."""
        register_after(api, self.template, alive(self.deployments()))

    def impatient(self, url: str = "") -> PrefectRest:
        """A client that soon gives up."""
        return PrefectRest(PrefectAddress(url or self.server.url), IMPATIENT)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = MortalServer(tmp_path_factory.mktemp("mortal"))
    try:
        server.start()
        api = PrefectRest(PrefectAddress(server.url))
        yield Site(server, api, ensure_work_pool(api, TARGET).base_job_template)
    finally:
        server.end()


@pytest.fixture
def site(mortal: Site) -> Site:
    mortal.server.start()
    mortal.prepare()
    return mortal


@pytest.fixture(scope="module")
def complete(mortal: Site) -> tuple[list[str], tuple[Any, ...]]:
    """The requests of the unit when nothing fails, and what it comes to."""
    mortal.prepare()
    proxy = Proxy(mortal.server.url)
    with proxied(proxy) as url:
        mortal.ship(mortal.impatient(url))
    return [f"{method} {path}" for method, path, _ in proxy.spoiler.asked], mortal.outcome()


def place(requests: list[str], wanted: str, number: int = 0) -> int:
    """The place of the request that is `wanted` for the nth time, the first being 0."""
    return [place for place, request in enumerate(requests) if request == wanted][number]


def test_the_unit_tests_fail_the_same_requests(complete: tuple[list[str], tuple[Any, ...]]) -> None:
    """And what the unit comes to in memory is what it comes to here."""
    server = FakeServer()
    register_before(server, TEMPLATE)
    counting = Faulty(server, never(), sys.maxsize)
    register_after(counting, TEMPLATE, live(server))
    identity = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")
    assert [identity.sub("ID", one) for one in complete[0]] == [
        identity.sub("ID", one) for one in counting.asked
    ]
    records = history(server, "acme", "local", "hello")
    assert complete[1] == outcome(server.deployments.values(), server.limits, records)


@pytest.mark.parametrize("kind", Spoiled)
def test_a_unit_is_as_before_after_any_request_failed(
    site: Site, complete: tuple[list[str], tuple[Any, ...]], kind: Spoiled
) -> None:
    requests, whole = complete
    before = site.shown()
    ended_well = set()
    proxy = Proxy(site.server.url)
    # Before the first write there is nothing to put back: one kind of failure is enough there.
    begin = 0 if kind is Spoiled.ERROR else place(requests, "POST /flows/")
    with proxied(proxy) as url:
        for at in range(begin, len(requests)):
            proxy.spoiler = Spoiler(kind, at)
            try:
                site.ship(site.impatient(url))
            except PrefectError as error:
                failed = error
            else:
                ended_well.add(requests[at])
                assert site.outcome() == whole, requests[at]
                site.prepare()
                before = site.shown()
                continue
            assert getattr(failed, "__notes__", []) == [], requests[at]
            assert site.shown() == before, requests[at]
    seen = {"POST /artifacts/", "POST /deployments/bulk_delete"}  # asking again shows that they were done
    assert ended_well == (seen if kind is Spoiled.LOST else set())


# The request at which the server is killed, the how-manieth of its kind that is, and whether it was done.
KILLS = {
    "in the first write": ("POST /deployments/", 0, True),
    "before the second write": ("POST /deployments/", 1, False),
    "before the record": ("POST /artifacts/", 0, False),
    "in the last write": ("POST /deployments/", 2, True),
    "before the removal": ("POST /deployments/bulk_delete", 0, False),
}
DONE = {
    "in the record": ("POST /artifacts/", 0, True),
    "in the removal": ("POST /deployments/bulk_delete", 0, True),
}


def killed_at(site: Site, requests: list[str], kill: tuple[str, int, bool], *, back: bool) -> KilledAt:
    wanted, number, done = kill
    return KilledAt(site.impatient(), site.server, place(requests, wanted, number), done, back)


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_a_unit_is_as_before_when_the_server_was_killed_and_is_back(
    site: Site, complete: tuple[list[str], tuple[Any, ...]], kill: tuple[str, int, bool]
) -> None:
    before = site.shown()
    with pytest.raises(PrefectError) as caught:
        site.ship(killed_at(site, complete[0], kill, back=True))
    assert getattr(caught.value, "__notes__", []) == []
    assert site.shown() == before


@pytest.mark.parametrize("kill", DONE.values(), ids=DONE)
def test_a_unit_is_complete_when_the_server_is_back_and_has_done_it(
    site: Site, complete: tuple[list[str], tuple[Any, ...]], kill: tuple[str, int, bool]
) -> None:
    site.ship(killed_at(site, complete[0], kill, back=True))
    assert site.outcome() == complete[1]


def test_a_server_that_is_back_soon_is_waited_for(
    site: Site, complete: tuple[list[str], tuple[Any, ...]]
) -> None:
    requests, whole = complete
    killed = killed_at(site, requests, ("POST /deployments/", 1, False), back=False)
    # A start may take a while.
    killed.api = PrefectRest(PrefectAddress(site.server.url), Patience(total=120.0))

    def back_soon() -> None:
        if site.server.killed.wait(60.0):
            time.sleep(1.0)
            site.server.start()

    starting = threading.Thread(target=back_soon)
    starting.start()
    try:
        site.ship(killed)
    finally:
        starting.join()
    assert site.outcome() == whole


def test_a_server_that_stays_dead_is_mended_by_the_next_ship(
    site: Site, complete: tuple[list[str], tuple[Any, ...]]
) -> None:
    requests, whole = complete
    with pytest.raises(PrefectError) as caught:
        site.ship(killed_at(site, requests, ("POST /artifacts/", 0, True), back=False))
    said = [note.partition(":")[0] for note in caught.value.__notes__[:-1]]
    assert said == [
        "the release record may say that this was shipped",
        "deployment hello/weekly may be as it was or as it was being shipped",
        "deployment hello/daily may be as it was or as it was being shipped",
    ]
    assert caught.value.__notes__[-1] == MEND
    site.server.start()
    site.ship(site.api)
    assert site.outcome() == whole
