"""Pins: for each release of a flow that others call, deployments of it that are never changed again.

A pin is what was registered, as it is in the server, under a name that says which release it is; so it has that
image's own entrypoint and schema, and runs as the flow itself does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowyard.errors import FlowFailed
from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import IMAGE, MARK
from flowyard.registering.live import LiveDeployment, released
from flowyard.runtime.names import CHILD_ENV
from flowyard.values import Json

_COPIED = (
    *("flow_id", "entrypoint", "pull_steps", "version", "description", "parameters"),
    *("parameter_openapi_schema", "work_pool_name", "work_queue_name"),
)
# What a run of it is; its name does not say all.
_DECIDES = (*_COPIED, "job_variables", "enforce_parameter_schema")
_RELEASE = f"{MARK}pin-release"
_OF = f"{MARK}pin-of"
# Pins of one release: there are several only where somebody changed one, or a task definition was made anew.
_MOST = 9


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin that is there: its id, the flow it is of, and which release."""

    id: str
    flow: str
    release: str


def pin_name(live: LiveDeployment) -> str:
    """What the pin of a registered deployment is called."""
    return f"pin-{live.name}-{live.marks.key[:12]}-{live.marks.spec[:8]}"


def pin_tag(project: str) -> str:
    """The tag of all pins of a project. Another than its deployments', which are changed and removed by ships."""
    return f"flowyard-pin:{project}"


def pin_body(live: LiveDeployment) -> dict[str, Json]:
    """The body of `POST /deployments/` that pins a registered deployment.

    Its arguments may be references, so the server does not hold them against the schema: both sides of a call do.
    """
    marks, variables = live.marks, live.raw["job_variables"]
    return {
        **{name: live.raw.get(name) for name in _COPIED},
        "name": pin_name(live),
        "tags": [pin_tag(marks.project)],
        "enforce_parameter_schema": False,
        "job_variables": {**variables, "env": {**variables.get("env", {}), CHILD_ENV: marks.flow}},
        "labels": {
            _OF: f"{marks.flow}/{live.name}",
            _RELEASE: marks.release,
            f"{MARK}pin-project": marks.project,
            f"{MARK}pin-target": marks.target,
            IMAGE: live.image,
        },
    }


def ensure_pins(
    api: PrefectApi, task: str, release: str, live: Iterable[LiveDeployment]
) -> dict[str, dict[str, str]]:
    """The pins of a flow's deployments by their name, made where they are missing.

    Raises FlowFailed when what is deployed is not this release, or somebody changed it.
    """
    live = tuple(live)
    images = {one.id: one.image for one in live if one.image and not one.is_touched}
    touched = sorted(one.name for one in live if one.id not in images)
    if released(live) != release or touched:
        why = f"deployment {touched[0]} of it was changed" if touched else "another ship changed it"
        raise FlowFailed(f"its Docker task {task} is not as it was planned: {why}", hint="ship again")
    names = {f"{pin_name(one)}{more}" for one in live for more in _endings()}
    wanted = {"deployments": {"name": {"any_": sorted(names)}}, "sort": "CREATED_DESC"}
    there = {
        (str(one["flow_id"]), str(one["name"])): one for one in read_all(api, "/deployments/filter", wanted)
    }
    pins = {}
    for one in live:
        identity = _ensure(api, pin_body(one), there)
        pins[one.name] = {"id": identity, "image": images[one.id], "release": release}
    return pins


def _endings() -> tuple[str, ...]:
    return ("", *(f"-{number}" for number in range(2, _MOST + 1)))


def _ensure(
    api: PrefectApi, body: dict[str, Json], there: Mapping[tuple[str, str], Mapping[str, Json]]
) -> str:
    """The id of the pin with this body, made where there is none. One of its name that is not the same, because
    somebody changed it or the task definition is another, is let alone: runs that were begun may call it."""
    for ending in _endings():
        name = f"{body['name']}{ending}"
        found = there.get((str(body["flow_id"]), name))
        if found is None:
            return str(api.request("POST", "/deployments/", {**body, "name": name})["id"])
        if all(found.get(field) == body[field] for field in _DECIDES):
            return str(found["id"])
    raise FlowFailed(
        f"{body['name']} and {_MOST - 1} more pins of it in Prefect were changed, so none can be called",
        hint="delete them in Prefect, with the runs that call them, and ship again",
    )


def pins_of(api: PrefectApi, project: str, target: str) -> list[Pin]:
    """The pins of a project on a target, but those that do not say of which release they are."""
    tagged = {"deployments": {"tags": {"all_": [pin_tag(project)]}}, "sort": "CREATED_DESC"}
    found = [(one, one.get("labels") or {}) for one in read_all(api, "/deployments/filter", tagged)]
    return [
        Pin(str(one["id"]), str(labels[_OF]).partition("/")[0], str(labels[_RELEASE]))
        for one, labels in found
        if labels.get(f"{MARK}pin-target") == target and _OF in labels and _RELEASE in labels
    ]
