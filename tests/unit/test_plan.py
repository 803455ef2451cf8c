"""Planning: every action with its reasons, from what is wanted and what is there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowyard.images import Digest, ImageReference, PublishedImage, Repository
from flowyard.inputs import Inputs
from flowyard.plan import Action, Desired, FlowPlan, Observed, Plan, make_plan, plan_flow
from flowyard.registering.deployment import Marks, Pinned, payload, was_touched
from flowyard.target import PrefectChoice, Target
from flowyard.values import BaseImage, Dependencies, DeploymentSpec, Flow, Schedule
from tests.support import Described, alive

TARGET = Target("local", "registry.example", "{flow}", "pool", "docker", PrefectChoice("http://x/api"))
REPOSITORY = Repository("registry.example", "etl")
DIGEST = Digest(f"sha256:{'a' * 64}")
IMAGE = PublishedImage(REPOSITORY, DIGEST)
DAILY = DeploymentSpec("daily", "flow.py", (Schedule(cron="0 6 * * *"),), tags=("zebra",))
WEEKLY = DeploymentSpec("weekly", "flow.py")
INPUTS = Inputs({"flows/etl/flow.py": "1"}, {"deployments.daily.schedules": "1"})
FLOW = Flow(
    "etl", Path("flows/etl"), BaseImage("python"), Dependencies("none", None, ()), ("flow.py",), (DAILY,)
)
DESIRED = Desired(FLOW, (DAILY, WEEKLY), "key1", "spec1", INPUTS, ImageReference(REPOSITORY, "key1"))


def registered(
    *specs: DeploymentSpec, desired: Desired = DESIRED, image: PublishedImage = IMAGE
) -> tuple[Any, ...]:
    """The deployments as the server returns them after `desired` was registered."""
    marks = Marks("acme", "local", "etl", desired.key, desired.spec)
    bodies = [payload(TARGET, spec, Described({}, "etl").flow(), Pinned(image), marks) for spec in specs]
    return tuple({**body, "id": body["name"], "paused": False} for body in bodies)


LIVE = registered(DAILY, WEEKLY)


def observed(live: tuple[Any, ...] = LIVE, released: Inputs | None = INPUTS) -> Observed:
    records = {} if released is None else {"etl": released}
    return Observed({"etl": alive(live)} if live else {}, records)


def of(desired: Desired, seen: Observed) -> tuple[Action, tuple[str, ...], PublishedImage | None]:
    plan = plan_flow(desired, seen)
    assert (plan.name, plan.live) == ("etl", seen.deployments.get("etl", ()))
    return plan.action, plan.reasons, plan.image


EDITED = replace(
    DESIRED,
    key="key2",
    inputs=replace(INPUTS, image={"flows/etl/flow.py": "2"}),
    reference=ImageReference(REPOSITORY, "key2"),
)
RESCHEDULED = replace(
    DESIRED, spec="spec2", inputs=replace(INPUTS, deployments={"deployments.daily.schedules": "2"})
)
HELD = {EDITED.reference: IMAGE}


@pytest.mark.parametrize(
    ("desired", "seen", "expected"),
    [
        (DESIRED, Observed(), (Action.BUILD, ("not deployed yet",), None)),
        (
            DESIRED,
            Observed(held={DESIRED.reference: IMAGE}),
            (Action.REUSE, ("not deployed yet",), IMAGE),
        ),
        (DESIRED, observed(), (Action.UNCHANGED, (), IMAGE)),
        (EDITED, observed(), (Action.BUILD, ("flows/etl/flow.py changed",), None)),
        (EDITED, replace(observed(), held=HELD), (Action.REUSE, ("flows/etl/flow.py changed",), IMAGE)),
        (
            EDITED,
            observed(released=None),
            (Action.BUILD, ("the release record is gone: what has changed is not known",), None),
        ),
        (RESCHEDULED, observed(), (Action.REGISTER, ("deployments.daily.schedules changed",), IMAGE)),
        (
            RESCHEDULED,
            observed(released=None),
            (Action.REGISTER, ("deployment daily is out of date", "deployment weekly is out of date"), IMAGE),
        ),
        (DESIRED, observed(registered(DAILY)), (Action.REGISTER, ("deployment weekly added",), IMAGE)),
        (
            replace(DESIRED, deployments=(DAILY,)),
            observed(),
            (Action.REGISTER, ("deployment weekly removed",), IMAGE),
        ),
        (
            replace(DESIRED, deployments=(DAILY, replace(WEEKLY, name="monthly"))),
            observed(),
            (Action.REGISTER, ("deployment monthly added", "deployment weekly removed"), IMAGE),
        ),
        (
            replace(DESIRED, reference=ImageReference(Repository("other.example", "etl"), "key1")),
            observed(),
            (Action.BUILD, ("repository changed from registry.example/etl to other.example/etl",), None),
        ),
        (
            replace(DESIRED, deployments=()),
            Observed(),
            (Action.UNCHANGED, ("no deployment on this target",), None),
        ),
        (
            replace(EDITED, deployments=()),
            observed(),
            (Action.REMOVE, ("no deployment on this target",), None),
        ),
    ],
)
def test_every_action_has_its_reasons(
    desired: Desired, seen: Observed, expected: tuple[Action, tuple[str, ...], PublishedImage | None]
) -> None:
    assert of(desired, seen) == expected


def changed(change: Callable[[dict[str, Any]], object]) -> Observed:
    live = copy.deepcopy(LIVE)
    change(live[0])
    return observed(live)


TOUCHES: dict[str, Callable[[dict[str, Any]], object]] = {
    "schedule": lambda row: row["schedules"][0]["schedule"].update(cron="0 7 * * *"),
    "schedule removed": lambda row: row["schedules"].clear(),
    "parameters": lambda row: row.update(parameters={"day": "x"}),
    "tags": lambda row: row["tags"].append("mine"),
    "description": lambda row: row.update(description="Mine."),
    "job variable": lambda row: row["job_variables"].update(mem_limit="1g"),
    "limit": lambda row: row.update(global_concurrency_limit={"limit": 3}),
    "work pool": lambda row: row.update(work_pool_name="mine"),
    "entrypoint": lambda row: row.update(entrypoint="mine.py:x"),
}


@pytest.mark.parametrize("name", TOUCHES)
def test_what_was_changed_elsewhere_is_seen(name: str) -> None:
    reasons = ("deployment daily was changed outside of Flowyard",)
    assert of(DESIRED, changed(TOUCHES[name])) == (Action.REGISTER, reasons, IMAGE)


LEFT_ALONE: dict[str, Callable[[dict[str, Any]], object]] = {
    "paused": lambda row: row.update(paused=True),
    "schedule paused": lambda row: row["schedules"][0].update(active=False),
    "schedule added": lambda row: row["schedules"].append(
        {"slug": None, "schedule": {"interval": 1}, "active": True}
    ),
    "order of tags": lambda row: row["tags"].reverse(),
    "what the server adds": lambda row: row.update(created="2026-01-01", last_polled=None),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_people_decide_in_the_ui_is_no_change(name: str) -> None:
    assert of(DESIRED, changed(LEFT_ALONE[name])) == (Action.UNCHANGED, (), IMAGE)


def test_a_change_of_ours_and_one_from_elsewhere_are_both_named() -> None:
    seen = changed(TOUCHES["tags"])
    assert of(RESCHEDULED, seen)[1] == (
        "deployments.daily.schedules changed",
        "deployment daily was changed outside of Flowyard",
    )


TAMPERED = ["registry.example/etl:latest", f"other.example/etl@{DIGEST}", "", None]


@pytest.mark.parametrize("image", TAMPERED)
def test_an_image_somebody_put_into_a_deployment_is_replaced_by_ours(image: str | None) -> None:
    seen = changed(lambda row: row["job_variables"].update(image=image))
    assert of(DESIRED, seen) == (
        Action.REGISTER,
        ("deployment daily was changed outside of Flowyard",),
        IMAGE,
    )


@pytest.mark.parametrize("mark", TAMPERED)
def test_a_mark_that_names_no_image_of_ours_is_not_believed(mark: str | None) -> None:
    live = copy.deepcopy(LIVE)
    for row in live:
        row["labels"]["flowyard.image"] = mark
    assert of(DESIRED, observed(live)) == (Action.BUILD, ("the deployed image is another one",), None)


def test_an_unlabelled_deployment_is_touched() -> None:
    assert was_touched({"name": "x", "labels": None})


def test_folders_that_are_gone_are_removed_only_when_all_flows_are_meant() -> None:
    live = alive(LIVE)
    seen = Observed(dict.fromkeys(("etl", "gone", "also-gone"), live), {"etl": INPUTS})
    etl = FlowPlan("etl", Action.UNCHANGED, (), DESIRED, IMAGE, live)
    gone = tuple(
        FlowPlan(name, Action.REMOVE, (f"flows/{name} is gone",), live=live) for name in ("also-gone", "gone")
    )
    assert make_plan("local", [DESIRED], seen, whole=True) == Plan("local", (etl, *gone))
    assert make_plan("local", [DESIRED], seen, whole=False) == Plan("local", (etl,))
    assert make_plan("local", [DESIRED], seen, whole=True).changes == gone
