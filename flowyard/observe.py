"""What is there now: one request for all deployments, and a few more only for flows that changed.

A ship with nothing to do asks Prefect once, whatever the number of flows, and the container registry never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from flowyard.adapters.prefect_api import read_all
from flowyard.deployment import Marks, project_tag
from flowyard.plan import Action, Desired, Observed, plan_flow
from flowyard.ports import ContainerRegistry, PrefectApi
from flowyard.releases import latest
from flowyard.values import Digest, ImageReference, Json, Project, Target


def observe(
    api: PrefectApi, registry: ContainerRegistry, project: Project, target: Target, desired: Iterable[Desired]
) -> Observed:
    """What `make_plan` needs to know of the target."""
    live = deployments_by_flow(api, project.name, target.name)
    released: dict[str, Mapping[str, str]] = {}
    digests: dict[ImageReference, Digest] = {}
    for wanted in desired:
        first = plan_flow(wanted, Observed(live))
        if first.action is Action.UNCHANGED:
            continue
        record = latest(api, project.name, target.name, wanted.flow.name)
        if record is not None:
            released[wanted.flow.name] = record.inputs
        if first.image is None:
            digest = registry.digest(wanted.reference)
            if digest is not None:
                digests[wanted.reference] = digest
    return Observed(live, released, digests)


def deployments_by_flow(
    api: PrefectApi, project: str, target: str
) -> Mapping[str, tuple[Mapping[str, Json], ...]]:
    """The project's deployments on one target, as the API returns them, by the folder they come from."""
    tagged = {"deployments": {"tags": {"all_": [project_tag(project)]}}}
    found: dict[str, list[Mapping[str, Json]]] = defaultdict(list)
    for deployment in read_all(api, "/deployments/filter", tagged):
        marks = Marks.of(deployment)
        if marks is not None and (marks.project, marks.target) == (project, target):
            found[marks.flow].append(deployment)
    return {flow: tuple(deployments) for flow, deployments in found.items()}
