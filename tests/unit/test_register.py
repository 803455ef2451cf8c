"""Registering a flow's deployments: all of them, checked and read back, or as it was before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowyard.errors import ConfigurationError, PrefectError, RegistryError
from flowyard.outcome import Registered
from flowyard.register import register, remove
from flowyard.registering.deployment import Marks, normal
from flowyard.values import DeploymentSpec, Json, Schedule
from tests.fakes_server import TEMPLATE, FakeServer
from tests.registration import (
    IMAGE,
    MARKS,
    MEND,
    NEW_IMAGE,
    NEW_MARKS,
    MemoryRecord,
    live,
    put,
    shown,
    unit,
)

SIX, SEVEN = Schedule(cron="0 6 * * *"), Schedule(cron="0 7 * * *")
DAILY = DeploymentSpec("daily", "flow.py", (SIX,), {"day": "today"}, concurrency_limit=2)
WEEKLY = DeploymentSpec("weekly", "flow.py", (Schedule(interval=604800, name="week"),))


def test_a_unit_is_registered() -> None:
    server = FakeServer()
    registered = put(server, unit(DAILY, WEEKLY))
    rows = server.by_name()
    assert registered == tuple(Registered(rows[name]["id"], name) for name in ("hello/daily", "hello/weekly"))
    assert [rows[name]["job_variables"]["image"] for name in rows] == [str(IMAGE)] * 2
    assert [Marks.of(row) for row in rows.values()] == [MARKS] * 2
    assert rows["hello/daily"]["global_concurrency_limit"]["limit"] == 2
    assert rows["hello/daily"]["entrypoint"] == "flowyard.runtime.flows.f_hello"


def test_registering_again_changes_in_place() -> None:
    server = FakeServer()
    first = put(server, unit(DAILY))
    second = put(server, unit(DAILY, image=NEW_IMAGE))
    assert first == second
    assert server.by_name()["hello/daily"]["job_variables"]["image"] == str(NEW_IMAGE)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_puts_the_others_back_exactly(failing: int) -> None:
    server = FakeServer()
    put(server, unit(DAILY, WEEKLY))
    server.by_name()["hello/daily"]["schedules"][0]["active"] = False
    server.by_name()["hello/daily"]["paused"] = True
    before = shown(server, limits_taken_from=["daily"])
    changed = replace(DAILY, schedules=(SEVEN,), parameters={}, description="New.", concurrency_limit=None)
    posts = 0

    def refuse(method: str, path: str, body: Json) -> str | None:
        nonlocal posts
        posts += (method, path) == ("POST", "/deployments/")
        return "database is locked" if posts == failing and path == "/deployments/" else None

    server.refuse = refuse
    with pytest.raises(PrefectError, match="database is locked"):
        put(
            server,
            unit(changed, replace(WEEKLY, tags=("x",)), image=NEW_IMAGE, marks=NEW_MARKS),
        )
    assert shown(server, limits_taken_from=["daily"]) == before


def test_a_failure_removes_what_was_new() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    before = shown(server)
    server.refuse = lambda m, p, body: (
        "no" if body and body.get("name") == "weekly" and p == "/deployments/" else None
    )
    with pytest.raises(PrefectError, match="no"):
        put(server, unit(DAILY, DeploymentSpec("new", "flow.py"), WEEKLY))
    assert shown(server) == before


def test_a_failing_removal_leaves_all_of_them() -> None:
    server = FakeServer()
    put(server, unit(DAILY, WEEKLY, DeploymentSpec("z", "flow.py")))
    before = shown(server)
    server.refuse = lambda method, path, body: "no" if path == "/deployments/bulk_delete" else None
    with pytest.raises(PrefectError, match="no"):
        put(server, unit(replace(DAILY, tags=("x",))))
    assert shown(server) == before


def test_what_cannot_be_put_back_is_said() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    posts = 0

    def refuse(method: str, path: str, body: Json) -> str | None:
        nonlocal posts
        posts += (method, path) == ("POST", "/deployments/")
        return "gone" if posts >= 2 and path == "/deployments/" else None

    server.refuse = refuse
    with pytest.raises(PrefectError) as caught:
        put(server, unit(replace(DAILY, tags=("x",)), WEEKLY))
    assert caught.value.__notes__ == ["deployment hello/daily could not be put back as it was: gone", MEND]


def test_an_interruption_puts_back_too() -> None:
    server = FakeServer()
    put(server, unit(DAILY, WEEKLY))
    before = shown(server)

    def refuse(method: str, path: str, body: Json) -> str | None:
        if path == "/deployments/" and body["name"] == "weekly" and "x" in body["tags"]:
            raise KeyboardInterrupt
        return None

    server.refuse = refuse
    with pytest.raises(KeyboardInterrupt):
        put(server, unit(replace(DAILY, tags=("x",)), replace(WEEKLY, tags=("x",))))
    assert shown(server) == before


@pytest.mark.parametrize(
    ("labels", "whose"),
    [
        ({"project": ""}, "was not made by Flowyard"),
        ({"project": "others"}, "belongs to project others, target local, flows/hello"),
        ({"target": "production"}, "belongs to project acme, target production, flows/hello"),
        ({"flow": "bye"}, "belongs to project acme, target local, flows/bye"),
    ],
)
def test_what_belongs_to_somebody_else_is_left_alone(labels: dict[str, str], whose: str) -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    own = server.by_name()["hello/daily"]["labels"]
    own.update({f"flowyard.{name}": value for name, value in labels.items()})
    before = shown(server)
    server.requests.clear()
    with pytest.raises(PrefectError) as caught:
        register(server, unit(DAILY, image=NEW_IMAGE), TEMPLATE, [], MemoryRecord())
    assert caught.value.message == f"deployment hello/daily exists already and {whose}"
    assert (shown(server), server.writes()) == (before, [])


def test_what_is_paused_stays_paused_and_what_was_added_stays() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    row = server.by_name()["hello/daily"]
    row["paused"] = True
    row["schedules"][0]["active"] = False
    slug = row["schedules"][0]["slug"]
    row["schedules"].append({"id": "1", "schedule": {"interval": 5.0}, "active": True, "slug": None})
    put(server, unit(DAILY, image=NEW_IMAGE))
    after = server.by_name()["hello/daily"]
    assert after["paused"]
    assert [(item["slug"], item["schedule"], item["active"]) for item in after["schedules"]] == [
        (None, {"interval": 5.0}, True),
        (slug, {"cron": "0 6 * * *", "timezone": "UTC", "day_or": True}, False),
    ]


def test_schedules_and_deployments_that_are_gone_are_removed() -> None:
    server = FakeServer()
    put(server, unit(DAILY, WEEKLY))
    put(server, unit(replace(DAILY, schedules=())))
    assert {name: row["schedules"] for name, row in server.by_name().items()} == {"hello/daily": []}


def test_remove() -> None:
    server = FakeServer()
    put(server, unit(DAILY, WEEKLY))
    remove(server, live(server))
    assert server.deployments == {}


def test_a_server_that_keeps_something_else_is_an_error_and_put_back() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    before = shown(server)

    def forget(row: dict[str, Any]) -> None:
        if "new" in row["tags"]:
            row["job_variables"] = {}

    server.alter = forget
    with pytest.raises(
        PrefectError, match=r"the server kept another value than was sent in job_variables\.auto_remove, "
    ):
        put(server, unit(replace(DAILY, tags=("new",))))
    assert shown(server) == before


REFUSED: dict[str, tuple[DeploymentSpec, str]] = {
    "unknown job variable": (
        replace(DAILY, job_variables={"mem_limt": "1g"}),
        "deployments.daily.job-variables.mem_limt: work pool pool has no such job variable (did you mean "
        "`mem_limit`?); it has: auto_remove, container_create_kwargs, env, image, mem_limit, network_mode, "
        "registry_credentials, volumes",
    ),
    "job variable of wrong type": (
        replace(DAILY, job_variables={"auto_remove": "yes"}),
        "deployments.daily.job-variables.auto_remove: \"yes\" does not fit: 'yes' is not of type 'boolean'",
    ),
    "text for a list": (
        replace(DAILY, job_variables={"volumes": "a:b"}),
        "deployments.daily.job-variables.volumes: \"a:b\" does not fit: 'a:b' is not of type 'array'",
    ),
    "unknown parameter": (
        replace(DAILY, parameters={"dya": "x"}),
        "deployments.daily.parameters.dya: flow hello has no such parameter (did you mean `day`?); "
        "it has: day, limit",
    ),
    "parameter of wrong type": (
        replace(DAILY, parameters={"limit": "3"}),
        "deployments.daily.parameters.limit: \"3\" does not fit: '3' is not of type 'integer'",
    ),
    "parameter of a schedule": (
        replace(DAILY, schedules=(SIX, replace(SEVEN, parameters={"limit": 1.5}))),
        "deployments.daily.schedules[1].parameters.limit: 1.5 does not fit: 1.5 is not of type 'integer'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_any_write(name: str) -> None:
    server = FakeServer()
    wrong, text = REFUSED[name]
    with pytest.raises(ConfigurationError) as caught:
        put(server, unit(WEEKLY, wrong))
    assert [str(problem) for problem in caught.value.problems] == [f"flows/hello/flow.toml: {text}"]
    assert server.requests == []


def test_references_inside_the_work_pools_template_are_followed() -> None:
    server = FakeServer()
    put(server, unit(replace(DAILY, job_variables={"registry_credentials": {"user": "x"}})))
    with pytest.raises(ConfigurationError, match="registry_credentials"):
        put(server, unit(replace(DAILY, job_variables={"registry_credentials": {"user": 1}})))


def test_templates_of_prefect_are_left_to_prefect() -> None:
    server = FakeServer()
    template = {"__prefect_kind": "jinja", "template": "{{ event }}"}
    put(server, unit(replace(DAILY, parameters={"limit": template})))
    assert server.by_name()["hello/daily"]["parameters"] == {"limit": template}


def test_an_image_that_does_not_describe_the_entrypoint_is_an_error() -> None:
    server = FakeServer()
    with pytest.raises(RegistryError) as caught:
        put(server, unit(replace(DAILY, entrypoint="flow.py:other")))
    assert caught.value.message == (
        f"{IMAGE} does not describe the entrypoint flow.py:other; it describes: flow.py"
    )
    assert server.requests == []


def test_what_was_sent_is_what_is_read_back() -> None:
    server = FakeServer()
    put(server, unit(DAILY))
    sent = next(body for _, path, body in server.requests if path == "/deployments/")
    assert normal(sent) == normal(server.by_name()["hello/daily"])
