"""Registering and removing are all or nothing, up to the record; what is said of it names no value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flowyard.errors import NotFound, PrefectError
from flowyard.outcome import Registered
from flowyard.register import remove
from flowyard.values import DeploymentSpec, Json, Schedule
from tests.fakes_server import FakeServer, OldServer
from tests.registration import MemoryRecord, live, shown, unit
from tests.registration import put as put_unit

DAILY = DeploymentSpec(
    "daily", "flow.py", (Schedule(cron="0 6 * * *"),), {"day": "hush"}, env={"TOKEN": "hush"}
)
WEEKLY = DeploymentSpec("weekly", "flow.py")
CHANGED = replace(DAILY, tags=("new",))


def put(
    server: FakeServer, *deployments: DeploymentSpec, record: MemoryRecord | None = None
) -> tuple[Registered, ...]:
    return put_unit(server, unit(*deployments), record)


def test_the_record_is_kept_before_the_write_that_makes_the_unit_complete() -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY, DeploymentSpec("old", "flow.py"))
    seen: list[dict[str, bool]] = []

    def look(deployments: tuple[str, ...]) -> None:
        seen.append({name: "new" in row["tags"] for name, row in sorted(server.by_name().items())})

    record = MemoryRecord(look)
    put(server, CHANGED, replace(WEEKLY, tags=("new",)), record=record)
    assert seen == [{"hello/daily": True, "hello/old": False, "hello/weekly": False}]
    assert record.kept == [("hello/daily", "hello/weekly")]
    assert set(server.by_name()) == {"hello/daily", "hello/weekly"}


@pytest.mark.parametrize(
    "error",
    [PrefectError("away"), KeyboardInterrupt(), ZeroDivisionError()],
    ids=lambda error: type(error).__name__,
)
def test_without_a_record_everything_is_as_it_was(error: BaseException) -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    before = shown(server)

    def fail(deployments: tuple[str, ...]) -> None:
        raise error

    record = MemoryRecord(fail)
    with pytest.raises(type(error)) as caught:
        put(server, CHANGED, DeploymentSpec("new", "flow.py"), record=record)
    assert record.kept == []
    assert caught.value is error
    assert shown(server) == before


def test_no_record_of_what_is_not_registered() -> None:
    server = FakeServer()
    server.refuse = lambda method, path, body: "no" if path == "/deployments/" else None

    record = MemoryRecord()
    with pytest.raises(PrefectError, match=r"^no$"):
        put(server, DAILY, WEEKLY, record=record)
    assert record.kept == []


def test_removing_is_all_or_nothing() -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    server.by_name()["hello/daily"]["paused"] = True
    before = shown(server)
    server.refuse = lambda method, path, body: "no" if path == "/deployments/bulk_delete" else None
    with pytest.raises(PrefectError, match=r"^no$"):
        remove(server, live(server))
    assert shown(server) == before


def test_what_an_older_server_deleted_one_by_one_is_made_again() -> None:
    server = OldServer()
    put(server, replace(DAILY, concurrency_limit=2), WEEKLY)
    server.by_name()["hello/daily"]["paused"] = True
    server.limits[f"deployment:{server.by_name()['hello/daily']['id']}"]["active"] = False
    before, identity = shown(server, deleted=["daily"]), server.by_name()["hello/daily"]["id"]
    weekly = f"/deployments/{server.by_name()['hello/weekly']['id']}"
    server.refuse = lambda method, path, body: "no" if (method, path) == ("DELETE", weekly) else None
    with pytest.raises(PrefectError, match=r"^no$") as caught:
        remove(server, live(server))
    assert shown(server, deleted=["daily"]) == before
    assert server.by_name()["hello/daily"]["id"] != identity
    assert not hasattr(caught.value, "__notes__")


def test_what_somebody_removed_first_is_removed() -> None:
    server = FakeServer()
    put(server, DAILY, WEEKLY)
    seen = live(server)
    server.deployments.pop(seen[0].id)
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
    before = shown(server)
    server.alter = alter(name, value)
    with pytest.raises(PrefectError) as caught:
        put(server, CHANGED)
    assert caught.value.message == (
        f"deployment hello/daily: the server kept another value than was sent in {where}"
    )
    assert shown(server) == before


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
