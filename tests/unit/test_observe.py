"""Looking at what is there, and making the work pool."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.errors import Conflict, NotFound, PrefectError
from flowyard.ports import PrefectApi
from flowyard.registering.live import deployments_by_flow
from flowyard.target import PrefectChoice, Target
from flowyard.values import Json
from flowyard.work_pools.ensure import WorkPool, ensure_work_pool
from tests.fakes_server import TEMPLATE, FakeServer
from tests.support import alive

TARGET = Target("local", None, "{flow}", "my pool", "docker", PrefectChoice())


def row(name: str, labels: dict[str, str] | None) -> dict[str, Any]:
    return {"id": name, "name": name, "flow_id": "1", "tags": ["flowyard:acme"], "labels": labels}


def marks(project: str, target: str, flow: str) -> dict[str, str]:
    return {"flowyard.project": project, "flowyard.target": target, "flowyard.flow": flow}


def test_only_what_carries_our_marks_is_ours() -> None:
    server = FakeServer()
    rows = (
        row("a", marks("acme", "local", "etl")),
        row("b", marks("acme", "local", "etl")),
        row("c", marks("acme", "local", "news")),
        row("d", marks("acme", "production", "etl")),
        row("e", marks("other", "local", "etl")),
        row("f", {}),
        row("g", None),
    )
    server.deployments = {one["id"]: one for one in rows}
    assert deployments_by_flow(server, "acme", "local") == {
        "etl": alive(rows[1::-1]),
        "news": alive(rows[2:3]),
    }


def test_more_deployments_than_a_page_are_all_seen() -> None:
    server = FakeServer()
    rows = [row(f"{number:03}", marks("acme", "local", "etl")) for number in range(450)]
    server.deployments = {one["id"]: one for one in rows}
    assert len(deployments_by_flow(server, "acme", "local")["etl"]) == 450
    assert [body["offset"] for _, _, body in server.requests] == [0, 200, 400]


def test_a_work_pool_that_is_there_is_read_only() -> None:
    server = FakeServer()
    server.pools = {"my%20pool": {"id": "1", "type": "docker", "base_job_template": TEMPLATE}}
    assert ensure_work_pool(server, TARGET) == WorkPool("1", TEMPLATE)
    assert server.writes() == []


def test_a_work_pool_of_another_type_is_refused() -> None:
    server = FakeServer()
    server.pools = {"my%20pool": {"id": "1", "type": "ecs", "base_job_template": {}}}
    with pytest.raises(
        PrefectError, match=r"^work pool my pool is of type ecs, but target local says docker$"
    ):
        ensure_work_pool(server, TARGET)


class Race:
    """A PrefectApi whose work pool somebody else makes between our look and our attempt."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        self.asked.append(f"{method} {path}")
        if method == "POST":
            raise Conflict("exists", status=409)
        if len(self.asked) == 1:
            raise NotFound("not found", status=404)
        return {"id": "1", "type": "docker", "base_job_template": TEMPLATE}


def test_a_work_pool_that_somebody_made_meanwhile_is_taken() -> None:
    api = Race()
    port: PrefectApi = api
    assert ensure_work_pool(port, TARGET) == WorkPool("1", TEMPLATE)
    assert api.asked == ["GET /work_pools/my%20pool", "POST /work_pools/", "GET /work_pools/my%20pool"]


def test_pages_are_read_by_age_so_that_none_is_missed() -> None:
    """Names are not unique, and a page boundary among equals may hide a deployment."""
    server = FakeServer()
    rows = [row(f"{number:03}", marks("acme", "local", "etl")) for number in range(201)]
    server.deployments = {one["id"]: one for one in rows}
    deployments_by_flow(server, "acme", "local")
    assert [(path, body["sort"]) for _, path, body in server.requests] == [
        ("/deployments/filter", "CREATED_DESC")
    ] * 2
