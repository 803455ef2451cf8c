"""What is there now: one request for all deployments, and a few more only for flows that changed.

A ship with nothing to do asks Prefect once, whatever the number of flows, and the container registry never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flowyard.deployed import Deployments, read_deployments
from flowyard.plan import Action, Desired, Observed, plan_flow
from flowyard.planning.docker_tasks import with_releases
from flowyard.planning.room import read_room, with_warnings
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import Marks
from flowyard.releasing.records import latest_of
from flowyard.values import Json

if TYPE_CHECKING:
    from flowyard.yard import Yard

Live = Mapping[str, tuple[Mapping[str, Json], ...]]  # deployments by the folder they come from


def observe(yard: Yard, desired: Iterable[Desired], live: Live) -> tuple[tuple[Desired, ...], Observed]:
    """What `make_plan` needs to know of the target beside its deployments, and the flows with what they call on it.

    Raises ConfigurationError when a Docker task is not there.
    """
    api, target = yard.api, yard.target
    desired = with_releases(desired, live)
    if any(one.docker_tasks for one in desired):
        desired = with_warnings(desired, read_room(api, target), target, live)
    first = [plan_flow(wanted, Observed(live)) for wanted in desired]
    changed = [plan for plan in first if plan.action is not Action.UNCHANGED]
    records = latest_of(api, yard.project.name, target.name, [plan.name for plan in changed])
    released = {name: record.inputs for name, record in records.items()}
    unknown = [plan.desired.reference for plan in changed if plan.desired and plan.image is None]
    found = {reference: yard.registry.find(reference) for reference in unknown}
    held = {reference: image for reference, image in found.items() if image is not None}
    return desired, Observed(live, released, held)


def deployments_by_flow(api: PrefectApi, project: str, target: str) -> Live:
    """The project's deployments on one target. Raises PrefectError."""
    return by_flow(read_deployments(api, project), project, target)


def by_flow(deployments: Deployments, project: str, target: str) -> Live:
    """Those of one target."""
    found: dict[str, list[Mapping[str, Json]]] = defaultdict(list)
    for deployment in deployments:
        marks = Marks.of(deployment)
        if marks is not None and (marks.project, marks.target) == (project, target):
            found[marks.flow].append(deployment)
    return {flow: tuple(items) for flow, items in found.items()}
