"""Pins: for each release of a flow that others call, deployments of it that are never changed again.

A pin is what was registered, as it is in the server, under a name that says which release it is; so it has that
image's own entrypoint and schema, and runs as the flow itself does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowyard.adapters.prefect_api import read_all
from flowyard.errors import FlowFailed
from flowyard.plan import was_touched
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import MARK, Marks, released
from flowyard.values import Json

PINNED_ENV = "FLOWYARD_DOCKER_TASK"  # as flowyard.runtime.tasks.pins reads it
_COPIED = (
    *("flow_id", "entrypoint", "pull_steps", "version", "description", "parameters"),
    *("parameter_openapi_schema", "work_pool_name", "work_queue_name"),
)


def pin_name(live: Mapping[str, Json]) -> str:
    """What the pin of a registered deployment is called."""
    marks = Marks.of(live)
    assert marks is not None, "it is ours"
    return f"pin-{live['name']}-{marks.key[:12]}-{marks.spec[:8]}"


def pin_tag(project: str) -> str:
    """The tag of all pins of a project. Another than its deployments', which are changed and removed by ships."""
    return f"flowyard-pin:{project}"


def pin_body(live: Mapping[str, Json]) -> dict[str, Json]:
    """The body of `POST /deployments/` that pins a registered deployment.

    Its arguments may be references, so the server does not hold them against the schema: both sides of a call do.
    """
    marks = Marks.of(live)
    assert marks is not None, "it is ours"
    variables = live["job_variables"]
    return {
        **{name: live.get(name) for name in _COPIED},
        "name": pin_name(live),
        "tags": [pin_tag(marks.project)],
        "enforce_parameter_schema": False,
        "job_variables": {**variables, "env": {**variables.get("env", {}), PINNED_ENV: marks.flow}},
        "labels": {
            f"{MARK}pin-of": f"{marks.flow}/{live['name']}",
            f"{MARK}pin-project": marks.project,
            f"{MARK}pin-target": marks.target,
            f"{MARK}image": variables["image"],
        },
    }


def ensure_pins(
    api: PrefectApi, task: str, release: str, live: Iterable[Mapping[str, Json]]
) -> dict[str, dict[str, str]]:
    """The pins of a flow's deployments by their name, made where they are missing.

    Raises FlowFailed when what is deployed is not this release, or somebody changed it.
    """
    live = tuple(live)
    touched = sorted(str(one["name"]) for one in live if was_touched(one))
    if released(live) != release or touched:
        why = f"deployment {touched[0]} of it was changed" if touched else "another ship changed it"
        raise FlowFailed(f"its Docker task {task} is not as it was planned: {why}", hint="ship again")
    names = {pin_name(one): one for one in live}
    wanted = {"deployments": {"name": {"any_": sorted(names)}}, "sort": "CREATED_DESC"}
    flows = {str(one["flow_id"]) for one in live}
    there = {
        str(one["name"]): str(one["id"])
        for one in read_all(api, "/deployments/filter", wanted)
        if str(one["flow_id"]) in flows
    }
    pins = {}
    for name, one in names.items():
        identity = there.get(name) or str(api.request("POST", "/deployments/", pin_body(one))["id"])
        image = str(one["job_variables"]["image"])
        pins[str(one["name"])] = {"id": identity, "image": image, "release": release}
    return pins
