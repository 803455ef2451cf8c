"""The deployments of a target that are there, by the flow they come from.

What the plan compares, a run is found in and a pin is copied from: each looks at the same ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from flowyard.deployed import Deployments, read_deployments
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import Marks
from flowyard.values import Json

Live = Mapping[str, tuple[Mapping[str, Json], ...]]  # as the API returns them


def deployments_by_flow(api: PrefectApi, project: str, target: str) -> Live:
    """The project's deployments on one target. Raises PrefectError."""
    return by_flow(read_deployments(api, project), project, target)


def by_flow(deployments: Deployments, project: str, target: str) -> Live:
    """Those of one target."""
    found: dict[str, list[Mapping[str, Json]]] = defaultdict(list)
    for deployment in deployments:
        marks = Marks.on(deployment, project, target)
        if marks is not None:
            found[marks.flow].append(deployment)
    return {flow: tuple(items) for flow, items in found.items()}
