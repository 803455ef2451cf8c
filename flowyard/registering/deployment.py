"""A deployment as Prefect's API takes and returns it: the payload, the marks on it, and how both compare.

Everything here is pure. The same normal form serves three purposes: the answer read back after registering is
compared with what was sent, its hash marks the deployment, and `plan` sees whether somebody changed it since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flowyard.aws.task_definition import ARN_VARIABLE
from flowyard.deployed import project_tag
from flowyard.fingerprints import KEY_LENGTH, fingerprint
from flowyard.images import PublishedImage, published
from flowyard.inputs import MAPPED
from flowyard.releasing.records import release_name
from flowyard.render import PROJECT_FOLDER
from flowyard.runtime.names import FLOWS_MODULE
from flowyard.target import Target
from flowyard.values import DeploymentSpec, FlowDescription, Json, Schedule
from flowyard.work_pools import job_variables, mapped

MARK = "flowyard."
# Marks that are made with the deployment itself: the image it runs, and how it was registered.
IMAGE, STATE = f"{MARK}image", f"{MARK}state"
# Raised when Flowyard itself registers the same settings differently.
REGISTRATION_FORMAT = "2"
# Settings that reach Prefect as job variables only.
_MAPPED = ("env", "resources", "secrets", "job_variables")
# The code is in the image. Without this step Prefect copies the working directory elsewhere for every run.
_STAY = "prefect.deployments.steps.set_working_directory"
# Where Prefect begins to count a recurrence rule that says nothing itself.
_RRULE_START = "DTSTART:20200101T000000"
_COMPARED = (
    *("name", "entrypoint", "version", "description", "tags", "parameters", "parameter_openapi_schema"),
    *("pull_steps", "enforce_parameter_schema", "job_variables", "work_pool_name", "work_queue_name"),
)


@dataclass(frozen=True, slots=True)
class Marks:
    """What Flowyard writes on a deployment, as labels below `flowyard.`.

    `repository` is where the files say that the image lies; an ECR registry's own name for it is another. `calls`
    are the releases of its Docker tasks, as JSON: what carries their pins is not in a deployment on every work pool.
    """

    project: str
    target: str
    flow: str
    key: str
    spec: str
    commit: str = ""
    repository: str = ""
    calls: str = ""

    @property
    def release(self) -> str:
        """Which release of the flow this is."""
        return release_name(self.key, self.spec)

    def labels(self) -> dict[str, str]:
        """The marks as deployment labels."""
        return {f"{MARK}{name}": value for name, value in asdict(self).items() if value}

    @classmethod
    def of(cls, live: Mapping[str, Json]) -> Marks | None:
        """The marks on a deployment read from the API, or None when it is not ours."""
        labels = _labels(live)
        found = {name: str(labels.get(f"{MARK}{name}", "")) for name in cls.__slots__}
        return cls(**found) if found["project"] else None


def _labels(live: Mapping[str, Json]) -> Mapping[str, Json]:
    return live.get("labels") or {}


def image_in(live: Mapping[str, Json]) -> PublishedImage | None:
    """The image that a deployment or a pin was registered with, None where that is not known.

    By its mark: the image in its job variables may have been changed since.
    """
    try:
        return published(str(_labels(live).get(IMAGE, "")))
    except ValueError:  # there is none, or somebody changed it
        return None


def spec_inputs(target: Target, deployments: Iterable[DeploymentSpec]) -> dict[str, str]:
    """Fingerprints of all that decides the deployments beside the image, by the key path that sets it."""
    inputs: dict[str, str] = {}
    for deployment in deployments:
        settings: dict[str, Json] = asdict(deployment)
        for name in ("targets", "name", *_MAPPED):
            del settings[name]
        # Prefect keeps them in no order.
        settings["schedules"] = sorted(settings["schedules"], key=fingerprint)
        for name, value in settings.items():
            inputs[_path(deployment, name)] = fingerprint(value)
        inputs[f"deployments.{deployment.name}{MAPPED}"] = fingerprint(mapped(target, deployment))
    inputs["registration format"] = REGISTRATION_FORMAT
    inputs["work pool"] = fingerprint([target.work_pool, target.work_pool_type, target.work_queue])
    return inputs


def spec_origins(target: Target, deployments: Iterable[DeploymentSpec]) -> dict[str, str]:
    """Fingerprints of the settings that become job variables, by the key path that sets each.

    No part of the spec: what they are mapped to is. They are there to name what has changed.
    """
    own = {
        _path(deployment, name): fingerprint(value)
        for deployment in deployments
        for name, value in asdict(deployment).items()
        if name in _MAPPED
    }
    shared: dict[str, Json] = {"env": target.env, "job-variables": target.job_variables}
    shared["results"] = str(target.results or "")
    if target.ecs is not None:
        shared |= {"ecs": asdict(target.ecs), "secrets": target.secrets}
    if target.kubernetes is not None:
        shared |= {"kubernetes": asdict(target.kubernetes), "secrets": target.secrets}
    return {**own, **{f"targets.{target.name}.{name}": fingerprint(value) for name, value in shared.items()}}


def _path(deployment: DeploymentSpec, setting: str) -> str:
    return f"deployments.{deployment.name}.{setting.replace('_', '-')}"


def spec_of(inputs: Mapping[str, str]) -> str:
    """One hash of the spec inputs."""
    return fingerprint(dict(inputs))[:KEY_LENGTH]


@dataclass(frozen=True, slots=True)
class Pinned:
    """What the runs of a deployment are made of: the image, and the ARN of the task definition that holds it
    where the work pool's type has such."""

    image: PublishedImage
    task_definition: str | None = None

    def job_variables(self) -> dict[str, Json]:
        """Both as job variables. Where there is a task definition, the image is for people who look."""
        image = {"image": str(self.image)}
        return {**image, ARN_VARIABLE: self.task_definition} if self.task_definition else image


def payload(
    target: Target, deployment: DeploymentSpec, described: FlowDescription, pinned: Pinned, marks: Marks
) -> dict[str, Json]:
    """The body of `POST /deployments/`, all but the flow's id."""
    body: dict[str, Json] = {
        "name": deployment.name,
        "entrypoint": f"{FLOWS_MODULE}.{described.id}",
        "pull_steps": [{_STAY: {"directory": f"{PROJECT_FOLDER}/flows/{marks.flow}"}}],
        "version": marks.key[:12],
        "description": deployment.description or described.description,
        "tags": sorted({*deployment.tags, project_tag(marks.project)}),
        "parameters": dict(deployment.parameters),
        # Without the last word the server takes a parameter that the flow does not have, and the run crashes.
        "parameter_openapi_schema": {**described.parameter_schema, "additionalProperties": False},
        "enforce_parameter_schema": described.enforce_parameter_schema,
        "job_variables": {**job_variables(target, deployment), **pinned.job_variables()},
        "work_pool_name": target.work_pool,
        "work_queue_name": deployment.work_queue or target.work_queue or "default",
        "schedules": [schedule_payload(schedule) for schedule in deployment.schedules],
        "concurrency_limit": deployment.concurrency_limit,
    }
    if deployment.concurrency_limit is not None:
        body["concurrency_options"] = {"collision_strategy": deployment.collision_strategy}
    # The image once more, because the job variables can be edited in the UI.
    own = {IMAGE: str(pinned.image), STATE: fingerprint(normal(body))}
    return {**body, "labels": {**marks.labels(), **own}}


def schedule_payload(schedule: Schedule) -> dict[str, Json]:
    """One schedule as the API takes it. Its slug tells ours from those people add in the UI."""
    if schedule.cron is not None:
        when: dict[str, Json] = {"cron": schedule.cron, "timezone": schedule.timezone, "day_or": True}
    elif schedule.interval is not None:
        when = {"interval": schedule.interval, "timezone": schedule.timezone}
        when |= {"anchor_date": schedule.anchor} if schedule.anchor else {}
    else:
        when = {"rrule": _anchored(schedule.rrule or ""), "timezone": schedule.timezone}
    identity = schedule.name or fingerprint([when, dict(schedule.parameters)])[:12]
    return {
        "schedule": when,
        "active": schedule.active,
        "parameters": dict(schedule.parameters),
        "slug": f"flowyard-{identity}",
    }


def _anchored(rrule: str) -> str:
    """The rule with its start said: a server adds one to a rule without, and not always the same."""
    return rrule if "DTSTART" in rrule else f"{_RRULE_START}\n{rrule}"


def is_ours(schedule: Mapping[str, Json]) -> bool:
    """Whether a schedule read from the API was written by Flowyard."""
    return str(schedule.get("slug") or "").startswith("flowyard-")


def carry_over(wanted: list[dict[str, Json]], live: Iterable[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """The wanted schedules with what people decided in the UI: what is paused stays paused, what they
    added stays. A schedule whose times changed is recognised when it is the only one that did."""
    before = [schedule for schedule in live if is_ours(schedule)]
    foreign = [schedule for schedule in live if not is_ours(schedule)]
    paused = {schedule["slug"] for schedule in before if not schedule["active"]}
    slugs, old_slugs = {schedule["slug"] for schedule in wanted}, {schedule["slug"] for schedule in before}
    new, gone = slugs - old_slugs, old_slugs - slugs
    if len(new) == len(gone) == 1 and gone <= paused:
        paused |= new
    kept = [
        {**schedule, "active": schedule["active"] and schedule["slug"] not in paused} for schedule in wanted
    ]
    return kept + [schedule_again(schedule) for schedule in foreign]


def schedule_again(schedule: Mapping[str, Json]) -> dict[str, Json]:
    """A schedule read from the API, as the API takes it."""
    fields = ("schedule", "active", "parameters", "slug", "max_scheduled_runs")
    return {name: schedule[name] for name in fields if schedule.get(name) is not None}


def normal(deployment: Mapping[str, Json]) -> dict[str, Any]:
    """The part of a deployment that must be the same in what was sent and what is read back.

    Whether it or a schedule is paused is left out: that belongs to the people who look at the UI.
    """
    ours = [schedule for schedule in deployment.get("schedules", []) if is_ours(schedule)]
    limit = deployment.get("global_concurrency_limit") or {}
    return {
        **{name: deployment.get(name) for name in _COMPARED},
        "tags": sorted(deployment.get("tags") or ()),
        "concurrency_limit": limit.get("limit", deployment.get("concurrency_limit")),
        "schedules": sorted((_normal_schedule(schedule) for schedule in ours), key=lambda item: item["slug"]),
    }


def _normal_schedule(schedule: Mapping[str, Json]) -> dict[str, Json]:
    when = schedule["schedule"]
    kept = {
        name: when[name] for name in ("cron", "interval", "rrule", "timezone") if when.get(name) is not None
    }
    return {"slug": schedule["slug"], "when": kept, "parameters": schedule.get("parameters") or {}}


def was_touched(live: Mapping[str, Json]) -> bool:
    """Whether a deployment is no longer what Flowyard registered (pausing does not count)."""
    return bool(_labels(live).get(STATE) != fingerprint(normal(live)))
