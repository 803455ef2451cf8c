"""Schedules really fire: a deployment that is shipped with one gets runs without anybody asking for them."""

from __future__ import annotations

import time

from tests.integration.pipeline_projects import SmallProject, greeting

pytest_plugins = ("tests.integration.pipeline_fixtures",)

SECONDS = 90  # the server looks for new schedules every few seconds, for all of them every minute
EVERY_MINUTE = """
[deployments.minutely]
schedules = [{ interval = 60 }]
"""


def test_the_server_schedules_runs_by_itself(project: SmallProject) -> None:
    project.flow("scheduled", greeting("scheduled"), EVERY_MINUTE)
    project.ship("scheduled")
    deployment = project.deployment("scheduled", "minutely")
    wanted = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
    deadline = time.monotonic() + SECONDS
    runs: list[dict[str, object]] = []
    while not runs and time.monotonic() < deadline:
        runs = project.api.request("POST", "/flow_runs/filter", wanted)
        time.sleep(1)
    assert runs
    assert {run["auto_scheduled"] for run in runs} == {True}
