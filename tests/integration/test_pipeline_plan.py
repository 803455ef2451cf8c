"""What a ship does after the first one: as little as possible, and all of it for a reason it can tell."""

from __future__ import annotations

import shutil
from typing import Any

from tests.integration.pipeline_projects import SmallProject, greeting, shipped

pytest_plugins = ("tests.integration.pipeline_fixtures",)


def test_a_second_ship_asks_prefect_twice_and_nobody_else(project: SmallProject) -> None:
    project.flow("plan_first")
    project.flow("plan_second")
    assert project.shipped() == {"plan_first": "build", "plan_second": "build"}
    watched = project.watched()
    outcomes = shipped(watched.yard)
    assert {name: one.plan.action.value for name, one in outcomes.items()} == {
        "plan_first": "unchanged",
        "plan_second": "unchanged",
    }
    assert watched.api.questions == [("POST", "/deployments/filter"), ("POST", "/artifacts/latest/filter")]
    assert (watched.registry.questions, watched.builds.flows) == ([], [])
    images = {name: str(one.image) for name, one in outcomes.items()}
    assert images == {
        flow: project.deployment(flow)["job_variables"]["image"] for flow in ("plan_first", "plan_second")
    }


def test_an_edit_builds_one_flow_and_its_revert_builds_none(project: SmallProject) -> None:
    project.flow("plan_edited", greeting("plan_edited", "first edition"))
    project.flow("plan_beside", greeting("plan_beside", "first edition"))
    project.shipped()
    first, beside = project.deployment("plan_edited"), project.deployment("plan_beside")
    changed = ("flows/plan_edited/flow.py changed",)

    project.flow("plan_edited")
    assert project.plan() == {"plan_edited": ("build", changed), "plan_beside": ("unchanged", ())}
    watched = project.watched()
    assert [one.error for one in shipped(watched.yard).values()] == [None, None]
    assert watched.builds.flows == ["plan_edited"]
    second = project.deployment("plan_edited")
    assert image(second) != image(first)
    assert second["id"] == first["id"]
    assert project.deployment("plan_beside") == beside

    project.flow("plan_edited", greeting("plan_edited", "first edition"))
    assert project.plan()["plan_edited"] == ("reuse image", changed)
    watched = project.watched()
    assert [one.error for one in shipped(watched.yard).values()] == [None, None]
    assert watched.builds.flows == []
    assert image(project.deployment("plan_edited")) == image(first)
    assert project.plan()["plan_edited"] == ("unchanged", ())


def test_a_schedule_and_the_names_of_deployments_need_no_build(project: SmallProject) -> None:
    project.flow("plan_times", settings="[deployments.day]\n")
    project.shipped()
    before = project.deployment("plan_times", "day")

    project.settings("plan_times", '[deployments.day]\nschedules = [{ cron = "0 6 * * *" }]\n')
    assert project.plan() == {"plan_times": ("register", ("deployments.day.schedules changed",))}
    watched = project.watched()
    assert shipped(watched.yard)["plan_times"].error is None
    assert watched.builds.flows == []
    after = project.deployment("plan_times", "day")
    assert (after["id"], image(after)) == (before["id"], image(before))
    assert [one["schedule"]["cron"] for one in after["schedules"]] == ["0 6 * * *"]

    project.settings("plan_times", '[deployments.night]\nschedules = [{ cron = "0 6 * * *" }]\n')
    reasons = ("deployment night added", "deployment day removed")
    assert project.plan() == {"plan_times": ("register", reasons)}
    assert project.shipped() == {"plan_times": "register"}
    assert {name: image(item) for name, item in project.deployments().items()} == {
        "plan_times/night": image(before)
    }


def test_a_folder_that_is_gone_is_removed_only_when_everything_is_shipped(project: SmallProject) -> None:
    project.flow("plan_kept")
    project.flow("plan_gone")
    project.shipped()
    shutil.rmtree(project.root / "flows/plan_gone")
    # Also when the flow that is named is the only one left.
    assert project.shipped("plan_kept") == {"plan_kept": "unchanged"}
    project.flow("plan_third")
    assert sorted(project.deployments()) == ["plan_gone/default", "plan_kept/default"]
    assert project.plan()["plan_gone"] == ("remove", ("flows/plan_gone is gone",))
    assert project.shipped() == {"plan_gone": "remove", "plan_kept": "unchanged", "plan_third": "build"}
    assert sorted(project.deployments()) == ["plan_kept/default", "plan_third/default"]


def image(deployment: dict[str, Any]) -> str:
    """The image a deployment names."""
    return str(deployment["job_variables"]["image"])
