"""What is deployed of a project: one request, whatever the number of flows.

A Prefect server may take a hundredth of a second for each deployment that it lists (decision 0028 says which and why),
so this is asked before anything else is done; nothing that it needs takes long to load.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.values import Json

Deployments = Sequence[Mapping[str, Json]]
_FILTER = "/deployments/filter"
# Many deployments have the same name, and pages sorted by that may miss or repeat some; and the newest one says
# whether there are more than before.
_BY_AGE = "CREATED_DESC"


def project_tag(project: str) -> str:
    """The tag by which all deployments of a project are found."""
    return f"flowyard:{project}"


def read_deployments(api: PrefectApi, project: str) -> Deployments:
    """The project's deployments on all targets of this server, as the API returns them. Raises PrefectError."""
    return read_all(api, _FILTER, _of_project(project))


def read_anew(api: PrefectApi, project: str, before: Deployments, ids: Collection[str]) -> Deployments:
    """What `read_deployments` said before, with those of these ids as they are now; all anew when one was added.

    What was done to the others meanwhile is not seen. Raises PrefectError.
    """
    if 2 * len(ids) < len(before):
        newest = api.request("POST", _FILTER, {**_of_project(project), "limit": 1})
        if [one["id"] for one in newest] == [before[0]["id"]]:
            wanted = {"deployments": {"id": {"any_": sorted(ids)}}, "sort": _BY_AGE}
            now = read_all(api, _FILTER, wanted) if ids else ()
            return (*now, *(one for one in before if str(one["id"]) not in ids))
    return read_deployments(api, project)


def _of_project(project: str) -> dict[str, Json]:
    return {"deployments": {"tags": {"all_": [project_tag(project)]}}, "sort": _BY_AGE}
