"""What a shipped flow is in Prefect, and what of it belongs to the people who look at the UI."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3
from prefect.client.schemas.actions import DeploymentCreate as ClientModel
from prefect.server.schemas.actions import DeploymentCreate as ServerModel

from flowyard.fingerprints import fingerprint
from flowyard.registering.deployment import normal
from tests.integration.pipeline_projects import SmallProject, shipped

pytest_plugins = ("tests.integration.pipeline_fixtures",)

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
EVERYTHING = """
tags = ["of-the-flow"]
env = { GREETING = "flow", PREFECT_LOGGING_LEVEL = "DEBUG" }

[deployments.full]
schedules = [
  { cron = "0 6 * * *", timezone = "Europe/Paris", parameters = { who = "morning" } },
  { interval = 3600, anchor = "2026-01-01T00:05:00", active = false, name = "each-hour" },
  { rrule = "FREQ=WEEKLY;BYDAY=MO", timezone = "America/New_York" },
]
parameters = { who = "you", times = 2 }
tags = ["b", "a"]
concurrency-limit = 2
collision-strategy = "CANCEL_NEW"
work-queue = "urgent"
resources = { cpu = 0.5, memory = "512Mi" }
env = { GREETING = "deployment" }
job-variables = { volumes = ["/tmp:/data:ro"], container_create_kwargs = { shm_size = "64m" }, stream_output = false }
"""
SETTINGS = 'env = { REGION = "west" }\njob-variables = { memswap_limit = "1g" }\n'
ONE_SCHEDULE = '[deployments.default]\nschedules = [{ cron = "0 6 * * *" }]\n'


def registry_digest(image: str) -> str:
    """What the registry itself says it holds under the digest of an image reference."""
    repository, _, digest = image.partition("@")
    host, _, path = repository.partition("/")
    url = f"http://{host}/v2/{path}/manifests/{digest}"
    answer = urllib3.request("HEAD", url, headers={"Accept": MANIFEST}, retries=False)
    assert answer.status == 200, url
    return f"{repository}@{answer.headers['Docker-Content-Digest']}"


def test_everything_a_file_says_is_in_the_deployment(project: SmallProject) -> None:
    project.registry(SETTINGS)
    project.flow("reg_full", settings=EVERYTHING)
    outcome = project.ship()["reg_full"]
    assert outcome.error is None
    found = project.deployment("reg_full", "full")
    desired = outcome.plan.desired
    assert desired is not None
    image = found["job_variables"]["image"]
    assert image == str(outcome.image) == registry_digest(image)
    assert image.startswith(f"{project.host}/flows/reg_full@sha256:")
    assert [(item.id, item.name) for item in outcome.deployments] == [(found["id"], "reg-full/full")]
    names = ("name", "entrypoint", "version", "description", "tags", "parameters", "enforce_parameter_schema")
    assert {name: found[name] for name in names} == {
        "name": "full",
        "entrypoint": "flowyard.runtime.flows.reg_full",
        "version": desired.key[:12],
        "description": "Greet somebody, often.",
        "tags": ["a", "b", f"flowyard:{project.name}", "of-the-flow"],
        "parameters": {"who": "you", "times": 2},
        "enforce_parameter_schema": True,
    }
    folder = "/opt/project/flows/reg_full"
    assert found["pull_steps"] == [{"prefect.deployments.steps.set_working_directory": {"directory": folder}}]
    assert found["parameter_openapi_schema"] == {
        "title": "Parameters",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "who": {"default": "world", "position": 0, "title": "who", "type": "string"},
            "times": {"default": 1, "position": 1, "title": "times", "type": "integer"},
        },
    }
    assert (found["work_pool_name"], found["work_queue_name"]) == (project.running.target.work_pool, "urgent")
    assert found["global_concurrency_limit"]["limit"] == 2
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert found["paused"] is False
    assert found["labels"] == {
        "flowyard.project": project.name,
        "flowyard.target": "local",
        "flowyard.flow": "reg_full",
        "flowyard.key": desired.key,
        "flowyard.spec": desired.spec,
        "flowyard.repository": image.partition("@")[0],
        "flowyard.image": image,
        "flowyard.state": fingerprint(normal(found)),
        "prefect.flow.id": found["flow_id"],
    }
    volume = str(project.running.target.results).removeprefix("volume:")
    assert found["job_variables"] == {
        "image": image,
        "auto_remove": True,
        "container_create_kwargs": {"init": True, "nano_cpus": 500_000_000, "shm_size": "64m"},
        "mem_limit": "536870912",
        "memswap_limit": "1g",
        "stream_output": False,
        "volumes": [
            f"{volume}:/var/lib/flowyard/results",
            "/tmp:/data:ro",
        ],
        "env": {
            "REGION": "west",
            "GREETING": "deployment",
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "FLOWYARD_KEEP_ENV": "PREFECT_LOGGING_LEVEL",
            "FLOWYARD_RESULTS": "file:///var/lib/flowyard/results",
        },
    }


def test_the_three_kinds_of_schedule(project: SmallProject) -> None:
    project.flow("reg_times", settings=EVERYTHING)
    project.shipped()
    found = project.deployment("reg_times", "full")["schedules"]
    kept = {
        next(kind for kind in ("cron", "interval", "rrule") if kind in one["schedule"]): one for one in found
    }
    assert {kind: one["schedule"] for kind, one in kept.items()} == {
        "cron": {"cron": "0 6 * * *", "timezone": "Europe/Paris", "day_or": True},
        "interval": {"interval": 3600.0, "anchor_date": "2026-01-01T00:05:00Z", "timezone": "UTC"},
        "rrule": {"rrule": "DTSTART:20200101T000000\nFREQ=WEEKLY;BYDAY=MO", "timezone": "America/New_York"},
    }
    assert {kind: (one["active"], one["parameters"]) for kind, one in kept.items()} == {
        "cron": (True, {"who": "morning"}),
        "interval": (False, {}),
        "rrule": (True, {}),
    }
    assert kept["interval"]["slug"] == "flowyard-each-hour"


def test_prefects_own_models_accept_the_payload_as_it_is(project: SmallProject) -> None:
    project.flow("reg_model", settings=EVERYTHING)
    watched = project.watched()
    assert shipped(watched.yard)["reg_model"].error is None
    (body,) = watched.api.sent("POST", "/deployments/")
    for model in (ClientModel, ServerModel):
        kept = model.model_validate(body).model_dump(mode="json", exclude_unset=True)
        assert kept.keys() == body.keys()
        assert fingerprint(normal(kept)) == fingerprint(normal(body))


def test_what_is_paused_in_the_ui_stays_paused(project: SmallProject) -> None:
    project.flow("reg_paused", settings=ONE_SCHEDULE)
    project.shipped()
    before = project.deployment("reg_paused")
    path = f"/deployments/{before['id']}"
    project.api.request("PATCH", path, {"paused": True})
    project.api.request("PATCH", f"{path}/schedules/{before['schedules'][0]['id']}", {"active": False})
    assert project.plan() == {"reg_paused": ("unchanged", ())}
    project.settings("reg_paused", ONE_SCHEDULE + 'parameters = { who = "you" }\n')
    assert project.shipped() == {"reg_paused": "register"}
    after = project.deployment("reg_paused")
    assert (after["id"], after["paused"], after["parameters"]) == (before["id"], True, {"who": "you"})
    assert [one["active"] for one in after["schedules"]] == [False]


def test_a_schedule_added_in_the_ui_stays_and_one_removed_from_the_file_goes(project: SmallProject) -> None:
    project.flow("reg_added", settings=ONE_SCHEDULE)
    project.shipped()
    added = {"schedule": {"cron": "30 12 * * *", "timezone": "UTC"}, "active": True}
    path = f"/deployments/{project.deployment('reg_added')['id']}/schedules"
    project.api.request("POST", path, [added])
    assert project.plan() == {"reg_added": ("unchanged", ())}
    project.settings("reg_added", "[deployments.default]\nschedules = []\n")
    assert project.plan() == {"reg_added": ("register", ("deployments.default.schedules changed",))}
    assert project.shipped() == {"reg_added": "register"}
    assert [one["schedule"]["cron"] for one in project.deployment("reg_added")["schedules"]] == [
        "30 12 * * *"
    ]
    assert project.plan() == {"reg_added": ("unchanged", ())}


CHANGES: dict[str, dict[str, Any]] = {
    "parameters": {"parameters": {"who": "somebody else"}},
    "description": {"description": "not ours"},
    "image": {"job_variables": {"image": "python:3.13-slim"}},
    "concurrency limit": {"concurrency_limit": 7},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_made_outside_is_seen_and_mended(project: SmallProject, change: dict[str, Any]) -> None:
    before = drifting(project)
    project.api.request("PATCH", f"/deployments/{before['id']}", change)
    mended(project, before)


def test_another_image_of_the_same_flow_is_seen_and_mended(project: SmallProject) -> None:
    """The one that is nearest to right: another digest in the right repository, under our own key."""
    before = drifting(project)
    other = f"{project.host}/flows/reg_drift@sha256:{'0' * 64}"
    variables = {**before["job_variables"], "image": other}
    project.api.request("PATCH", f"/deployments/{before['id']}", {"job_variables": variables})
    mended(project, before)


def test_a_tag_added_outside_is_seen_and_taken_away(project: SmallProject) -> None:
    before = drifting(project)
    tags = [*before["tags"], "by-hand"]
    project.api.request("PATCH", f"/deployments/{before['id']}", {"tags": tags})
    mended(project, before)


def drifting(project: SmallProject) -> dict[str, Any]:
    """A deployment that was shipped, to be changed by somebody else."""
    project.flow("reg_drift", DRIFT, ONE_SCHEDULE + 'parameters = { who = "you" }\n')
    project.shipped()
    return project.deployment("reg_drift")


def mended(project: SmallProject, before: dict[str, Any]) -> None:
    """The plan sees that the deployment was changed, and shipping puts it back."""
    outside = ("register", ("deployment default was changed outside of Flowyard",))
    assert project.plan() == {"reg_drift": outside}
    assert project.shipped() == {"reg_drift": "register"}
    after = project.deployment("reg_drift")
    assert (after["id"], normal(after)) == (before["id"], normal(before))
    assert project.plan() == {"reg_drift": ("unchanged", ())}


DRIFT = '''from prefect import flow


@flow
def reg_drift(who: str = "world") -> str:
    """The same content in every case, so that one image serves them all."""
    return who
'''
