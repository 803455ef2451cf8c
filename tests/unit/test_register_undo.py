"""Registering and removing are all or nothing, up to the record; what is said of it names no value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flowyard.errors import NotFound, PrefectError
from flowyard.register import Registered, Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.values import (
    DeploymentSpec,
    Digest,
    Json,
    PrefectChoice,
    PublishedImage,
    Repository,
    Schedule,
    Target,
)
from tests.fakes_server import TEMPLATE, FakeServer
from tests.support import Described

TARGET = Target("local", "registry.example:5000", "{flow}", "pool", "docker", PrefectChoice("http://x/api"))
IMAGE = PublishedImage(Repository("registry.example:5000", "hello"), Digest(f"sha256:{'a' * 64}"))
MARKS = Marks("acme", "local", "hello", "key1", "spec1", "commit1")
DAILY = DeploymentSpec(
    "daily", "flow.py", (Schedule(cron="0 6 * * *"),), {"day": "hush"}, env={"TOKEN": "hush"}
)
WEEKLY = DeploymentSpec("weekly", "flow.py")
CHANGED = replace(DAILY, tags=("new",))
Keep = Callable[[tuple[Registered, ...]], None]


def put(
    server: FakeServer, *deployments: DeploymentSpec, keep: Keep = lambda registered: None
) -> tuple[Registered, ...]:
    described = Described({"day": {"type": "string"}}).image()
    one = Unit(TARGET, deployments, IMAGE, described, MARKS)
    return register(server, one, TEMPLATE, live(server), keep)


def live(server: FakeServer) -> list[Mapping[str, Json]]:
    return [copy.deepcopy(row) for row in server.deployments.values()]


def state(server: FakeServer) -> dict[str, Any]:
    """Everything the server holds, without the ids that a restored schedule or deployment gets anew."""
    rows = copy.deepcopy(server.by_name())
    for row in rows.values():
        del row["id"]
        for schedule in row["schedules"]:
            del schedule["id"]
    return rows


def deleting(server: FakeServer, name: str) -> Callable[[str, str, Json], str | None]:
    """Refuses the DELETE of this deployment."""
    wanted = ("DELETE", f"/deployments/{server.by_name()[name]['id']}")
    return lambda method, path, body: "no" if (method, path) == wanted else None


def test_the_record_is_kept_last_and_of_what_is_registered() -> None:
    server = FakeServer()
    kept: list[tuple[set[str], tuple[Registered, ...]]] = []
    put(server, DAILY, WEEKLY)
    registered = put(server, CHANGED, keep=lambda items: kept.append((set(server.by_name()), items)))
    assert kept == [({"hello/daily"}, registered)]


@pytest.mark.parametrize(
    "error",
    [PrefectError("away"), KeyboardInterrupt(), ZeroDivisionError()],
    ids=lambda error: type(error).__name__,
)
def test_without_a_record_everything_is_as_it_was(error: BaseException) -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    before = state(server)

    def fail(registered: tuple[Registered, ...]) -> None:
        assert set(server.by_name()) == {"hello/daily", "hello/new"}
        raise error

    with pytest.raises(type(error)) as caught:
        put(server, CHANGED, DeploymentSpec("new", "flow.py"), keep=fail)
    assert caught.value is error
    assert state(server) == before


def test_no_record_of_what_is_not_registered() -> None:
    server = FakeServer()
    server.refuse = lambda method, path, body: "no" if path == "/deployments/" else None

    def keep(registered: tuple[Registered, ...]) -> None:
        raise AssertionError("nothing was registered")

    with pytest.raises(PrefectError, match=r"^no$"):
        put(server, DAILY, keep=keep)


def test_removing_is_all_or_nothing() -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    server.by_name()["hello/daily"]["paused"] = True
    before = state(server)
    server.refuse = deleting(server, "hello/weekly")
    with pytest.raises(PrefectError, match=r"^no$"):
        remove(server, live(server))
    assert [method for method, _, _ in server.requests].count("DELETE") == 2
    assert state(server) == before


def test_what_somebody_removed_first_is_removed() -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    seen = live(server)
    server.deployments.pop(str(seen[0]["id"]))
    remove(server, seen)
    assert server.deployments == {}


def test_what_somebody_removed_first_does_not_fail_a_registration() -> None:
    class Late(FakeServer):
        """The deployment goes away just before we remove it."""

        def request(self, method: str, path: str, body: Json = None) -> Json:
            if method == "DELETE":
                del self.deployments[path.removeprefix("/deployments/")]
                raise NotFound("Deployment not found", status=404)
            return super().request(method, path, body)

    server = Late()
    put(server, DAILY, WEEKLY)
    put(server, DAILY)
    assert set(server.by_name()) == {"hello/daily"}


def alter(name: str, value: Json) -> Callable[[dict[str, Any]], None]:
    def change(row: dict[str, Any]) -> None:
        if "new" in row["tags"]:
            row[name] = value

    return change


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("parameters", {"day": "other", "more": 1}, "parameters.day, parameters.more"),
        ("parameters", None, "parameters"),
        ("description", "hush", "description"),
        ("tags", ["flowyard:acme", "hush", "new"], "tags"),
        ("schedules", [], "schedules"),
    ],
)
def test_what_a_server_kept_differently_is_named_without_its_value(
    name: str, value: Json, where: str
) -> None:
    server = FakeServer()
    put(server, DAILY)
    before = state(server)
    server.alter = alter(name, value)
    with pytest.raises(PrefectError) as caught:
        put(server, CHANGED)
    assert caught.value.message == (
        f"deployment hello/daily: the server kept another value than was sent in {where}"
    )
    assert state(server) == before


def test_a_secret_in_the_environment_is_in_no_message() -> None:
    server = FakeServer()
    variables = {**put_variables(), "env": {"TOKEN": "other"}}
    server.alter = alter("job_variables", variables)
    with pytest.raises(PrefectError) as caught:
        put(server, CHANGED)
    assert caught.value.message.endswith(" in job_variables.env")
    assert not {"hush", "other"} & set(str([caught.value.message, caught.value.hint]).split("'"))
    assert "hush" not in caught.value.message + caught.value.hint
    assert server.deployments == {}


def put_variables() -> dict[str, Any]:
    """The job variables that `DAILY` is registered with."""
    server = FakeServer()
    put(server, DAILY)
    found = server.by_name()["hello/daily"]["job_variables"]
    assert found["env"]["TOKEN"] == "hush"
    return dict(found)
