"""A deployment as the API has it: marks, schedules that people paused, and what counts as the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from flowyard.images import published
from flowyard.inputs import Inputs
from flowyard.planning.key import differences
from flowyard.registering.deployment import (
    IMAGE,
    Marks,
    carry_over,
    image_in,
    is_ours,
    schedule_payload,
    spec_inputs,
    spec_of,
    spec_origins,
)
from flowyard.target import PrefectChoice, Target, VolumeStorage
from flowyard.values import DeploymentSpec, Json, Resources, Schedule
from flowyard.work_pools import job_variables

TARGET = Target("local", "registry.example", "{flow}", "pool", "docker", PrefectChoice("http://x/api"))
DAILY = DeploymentSpec("daily", "flow.py")
SPEC = DeploymentSpec(
    "daily",
    "flow.py",
    (Schedule(cron="0 6 * * *"),),
    {"day": "x"},
    ("a",),
    "Text.",
    1,
    "ENQUEUE",
    "default",
    Resources(1.0, 1024),
    {"A": "1"},
    {"PASSWORD": "arn"},
    {"network_mode": "bridge"},
    ("local",),
)


def test_marks_are_read_back_as_they_were_written() -> None:
    marks = Marks("acme", "local", "etl", "key", "spec", "commit")
    assert Marks.of({"labels": {**marks.labels(), "other": "x"}}) == marks
    assert "flowyard.commit" not in replace(marks, commit="").labels()
    assert [Marks.of({"labels": labels}) for labels in (None, {}, {"x": "y"})] == [None, None, None]


def test_the_image_of_a_deployment_is_that_of_its_mark() -> None:
    image = f"r.example/etl@sha256:{'a' * 64}"
    live = {"labels": {IMAGE: image}, "job_variables": {"image": "other:latest"}}
    assert image_in(live) == published(image)
    without: list[dict[str, Json]] = [
        {},
        {"labels": None},
        *({"labels": {IMAGE: it}} for it in ("r:tag", "", None)),
    ]
    assert [image_in(one) for one in without] == [None] * 5


CHANGES: dict[str, tuple[DeploymentSpec, str]] = {
    "entrypoint": (replace(SPEC, entrypoint="other.py"), "deployments.daily.entrypoint changed"),
    "schedule": (replace(SPEC, schedules=()), "deployments.daily.schedules changed"),
    "switched off": (
        replace(SPEC, schedules=(Schedule(cron="0 6 * * *", active=False),)),
        "deployments.daily.schedules changed",
    ),
    "parameters": (replace(SPEC, parameters={}), "deployments.daily.parameters changed"),
    "tags": (replace(SPEC, tags=()), "deployments.daily.tags changed"),
    "description": (replace(SPEC, description=None), "deployments.daily.description changed"),
    "limit": (replace(SPEC, concurrency_limit=2), "deployments.daily.concurrency-limit changed"),
    "strategy": (
        replace(SPEC, collision_strategy="CANCEL_NEW"),
        "deployments.daily.collision-strategy changed",
    ),
    "queue": (replace(SPEC, work_queue=None), "deployments.daily.work-queue changed"),
    "resources": (replace(SPEC, resources=Resources()), "deployments.daily.resources changed"),
    "env": (replace(SPEC, env={}), "deployments.daily.env changed"),
    "job variables": (replace(SPEC, job_variables={}), "deployments.daily.job-variables changed"),
}


def settings(found: Mapping[str, str]) -> Inputs:
    """Inputs of deployments alone."""
    return Inputs(deployments=found)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_is_an_input_of_the_spec(name: str) -> None:
    changed, reason = CHANGES[name]
    before, after = spec_inputs(TARGET, [SPEC]), spec_inputs(TARGET, [changed])
    named = differences(
        settings({**before, **spec_origins(TARGET, [SPEC])}),
        settings({**after, **spec_origins(TARGET, [changed])}),
    )
    assert (named, spec_of(before) != spec_of(after)) == ((reason,), True)


def test_a_setting_of_the_target_that_the_deployment_overrides_is_no_input_of_the_spec() -> None:
    target = replace(TARGET, env=dict.fromkeys(SPEC.env, "other"))
    assert spec_of(spec_inputs(target, [SPEC])) == spec_of(spec_inputs(TARGET, [SPEC]))


def test_what_other_code_maps_the_settings_to_is_an_input_of_the_spec() -> None:
    before = spec_inputs(TARGET, [SPEC])
    name = "deployments.daily.mapped-job-variables"
    assert differences(settings(before), settings({**before, name: "other"})) == (f"{name} changed",)


def test_the_order_of_schedules_is_no_input_of_the_spec() -> None:
    first, second = Schedule(cron="0 6 * * *"), Schedule(interval=60.0)
    one, other = (replace(SPEC, schedules=both) for both in ((first, second), (second, first)))
    assert spec_inputs(TARGET, [one]) == spec_inputs(TARGET, [other])


@pytest.mark.parametrize(
    "target",
    [replace(TARGET, work_pool="other"), replace(TARGET, work_queue="high")],
)
def test_the_work_pool_is_an_input_of_the_spec(target: Target) -> None:
    before, after = (settings(spec_inputs(one, [SPEC])) for one in (TARGET, target))
    assert differences(before, after) == ("work pool changed",)


def test_other_targets_of_a_deployment_are_not() -> None:
    assert spec_inputs(TARGET, [SPEC]) == spec_inputs(TARGET, [replace(SPEC, targets=("local", "b"))])


def test_a_schedule_is_known_by_its_name_or_else_by_its_times() -> None:
    slugs = [
        schedule_payload(schedule)["slug"]
        for schedule in (
            Schedule(cron="0 6 * * *"),
            Schedule(cron="0 6 * * *", active=False),
            Schedule(cron="0 6 * * *", timezone="Europe/Paris"),
            Schedule(cron="0 6 * * *", parameters={"a": 1}),
            Schedule(interval=6),
            Schedule(rrule="FREQ=DAILY"),
        )
    ]
    assert slugs[0] == slugs[1]
    assert len(set(slugs)) == 5
    assert all(is_ours({"slug": slug}) for slug in slugs)
    assert schedule_payload(Schedule(interval=6, name="six"))["slug"] == "flowyard-six"
    assert [is_ours({"slug": slug}) for slug in (None, "", "mine")] == [False] * 3


def test_a_recurrence_rule_says_where_it_starts() -> None:
    rules = [
        schedule_payload(Schedule(rrule=rule))["schedule"]["rrule"]
        for rule in ("FREQ=DAILY", "DTSTART:2026\nX")
    ]
    assert rules == ["DTSTART:20200101T000000\nFREQ=DAILY", "DTSTART:2026\nX"]


def ours(slug: str, *, active: bool = True) -> dict[str, Any]:
    return {"slug": f"flowyard-{slug}", "active": active, "schedule": {"cron": slug}, "parameters": {}}


FOREIGN = {"slug": None, "active": True, "schedule": {"interval": 1}, "parameters": {}, "id": "9", "extra": 1}


@pytest.mark.parametrize(
    ("wanted", "live", "active"),
    [
        ([ours("a")], [], [True]),
        ([ours("a")], [ours("a", active=False)], [False]),
        ([ours("a", active=False)], [ours("a")], [False]),
        ([ours("b")], [ours("a", active=False)], [False]),
        ([ours("a"), ours("c")], [ours("a"), ours("b", active=False)], [True, False]),
        ([ours("c"), ours("d")], [ours("a", active=False), ours("b")], [True, True]),
        ([ours("b")], [ours("a")], [True]),
    ],
)
def test_what_is_paused_stays_paused(
    wanted: list[dict[str, Any]], live: list[dict[str, Any]], active: list[bool]
) -> None:
    assert [schedule["active"] for schedule in carry_over(wanted, live)] == active


def test_what_people_added_stays_as_it_was() -> None:
    kept = {"active": True, "schedule": {"interval": 1}, "parameters": {}}
    assert carry_over([ours("a")], [FOREIGN]) == [ours("a"), kept]


def test_job_variables_of_a_docker_pool() -> None:
    target = replace(
        TARGET,
        results=VolumeStorage("results"),
        env={"A": "target", "B": "target", "C": "target"},
        job_variables={"volumes": ["x:/x"], "auto_remove": False, "env": {"C": "own"}},
    )
    spec = replace(
        DAILY,
        resources=Resources(0.25, 512),
        env={"A": "flow", "PREFECT_X": "1"},
        job_variables={"container_create_kwargs": {"init": False}, "network_mode": "host"},
    )
    assert job_variables(target, spec) == {
        "auto_remove": False,
        "container_create_kwargs": {"init": False, "nano_cpus": 250_000_000},
        "mem_limit": "512",
        "volumes": ["results:/var/lib/flowyard/results", "x:/x"],
        "network_mode": "host",
        "env": {
            "A": "flow",
            "B": "target",
            "C": "own",
            "PREFECT_X": "1",
            "FLOWYARD_KEEP_ENV": "PREFECT_X",
            "FLOWYARD_RESULTS": "file:///var/lib/flowyard/results",
        },
    }
    assert target.job_variables == {"volumes": ["x:/x"], "auto_remove": False, "env": {"C": "own"}}


def test_the_least_job_variables() -> None:
    assert job_variables(TARGET, DAILY) == {
        "auto_remove": True,
        "container_create_kwargs": {"init": True},
        "env": {},
    }


@pytest.mark.parametrize("own", [{"volumes": "a:b"}, {"env": "A=1"}, {"container_create_kwargs": []}])
def test_job_variables_of_a_wrong_type_are_left_for_the_work_pools_schema_to_refuse(
    own: dict[str, Json],
) -> None:
    assert job_variables(TARGET, replace(DAILY, job_variables=own)) == own
