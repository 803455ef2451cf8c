"""What is deployed of a project: one request, whatever the number of flows.

A Prefect server takes about a hundredth of a second for each deployment that it lists, so this is asked before anything
else is done; nothing that it needs takes long to load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowyard.adapters.prefect_api import read_all
from flowyard.ports import PrefectApi
from flowyard.values import Json

Deployments = Sequence[Mapping[str, Json]]


def project_tag(project: str) -> str:
    """The tag by which all deployments of a project are found."""
    return f"flowyard:{project}"


def read_deployments(api: PrefectApi, project: str) -> Deployments:
    """The project's deployments on all targets of this server, as the API returns them. Raises PrefectError."""
    # By age: many deployments have the same name, and pages sorted by that may miss or repeat some.
    tagged = {"deployments": {"tags": {"all_": [project_tag(project)]}}, "sort": "CREATED_DESC"}
    return read_all(api, "/deployments/filter", tagged)
