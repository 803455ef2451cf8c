"""What is deployed, read again for what somebody else may have changed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.deployed import read_anew, read_deployments
from tests.fakes_server import FakeServer

ALL = {"tags": {"all_": ["flowyard:acme"]}}


def row(name: str, version: str = "first") -> dict[str, Any]:
    """A deployment whose id is its name."""
    return {"id": name, "name": name, "flow_id": "1", "tags": ["flowyard:acme"], "version": version}


@pytest.fixture
def server() -> FakeServer:
    """Ten deployments, "0" the oldest."""
    server = FakeServer()
    server.deployments = {str(number): row(str(number)) for number in range(10)}
    return server


def anew(server: FakeServer, *ids: str) -> tuple[dict[str, str], list[Any]]:
    """Each deployment's version after everything was changed, and what was asked to know it."""
    before = read_deployments(server, "acme")
    for name in server.deployments:
        server.deployments[name] = row(name, "second")
    server.requests.clear()
    found = read_anew(server, "acme", before, set(ids))
    return {one["id"]: one["version"] for one in found}, [body["deployments"] for *_, body in server.requests]


def test_few_are_read_alone(server: FakeServer) -> None:
    found, asked = anew(server, "3", "5")
    assert found == {str(number): "second" if number in (3, 5) else "first" for number in range(10)}
    assert asked == [ALL, {"id": {"any_": ["3", "5"]}}]
    assert server.requests[0][2]["limit"] == 1


def test_most_are_read_with_all_others(server: FakeServer) -> None:
    found, asked = anew(server, "0", "1", "2", "3", "4")
    assert set(found.values()) == {"second"}
    assert asked == [ALL]


def test_without_any_only_the_newest_is_looked_at(server: FakeServer) -> None:
    found, asked = anew(server)
    assert set(found.values()) == {"first"}
    assert asked == [ALL]


def test_one_that_is_gone_is_gone(server: FakeServer) -> None:
    before = read_deployments(server, "acme")
    del server.deployments["3"]
    assert {one["id"] for one in read_anew(server, "acme", before, {"3", "5"})} == set(server.deployments)


def test_one_that_was_added_has_all_read(server: FakeServer) -> None:
    before = read_deployments(server, "acme")
    server.deployments["10"] = row("10")
    server.deployments["7"] = row("7", "second")
    assert read_anew(server, "acme", before, {"3"}) == read_deployments(server, "acme")


def test_the_newest_that_is_gone_has_all_read(server: FakeServer) -> None:
    before = read_deployments(server, "acme")
    del server.deployments["9"], server.deployments["8"]
    assert read_anew(server, "acme", before, {"3"}) == read_deployments(server, "acme")


def test_none_at_all(server: FakeServer) -> None:
    server.deployments = {}
    assert read_anew(server, "acme", (), ()) == []
