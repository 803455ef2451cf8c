"""What registering asks of Prefect about deployments: find, write and delete them.

Apart from the order in which that happens, because putting a unit back asks the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from flowyard.errors import NotFound, Refused
from flowyard.ports import PrefectApi
from flowyard.values import Json

_MOST_AT_ONCE = 50  # what a Prefect server deletes in one request
_NO_SUCH_REQUEST = frozenset({404, 405})


def read_deployment(api: PrefectApi, flow_name: str, name: str) -> Mapping[str, Json] | None:
    """The deployment of this flow and name, or None. Raises PrefectError."""
    return read_deployment_among(api, {"name": {"any_": [flow_name]}}, name)


def read_deployment_among(api: PrefectApi, flows: Json, name: str) -> Mapping[str, Json] | None:
    """The deployment of this name whose flow passes the API's filter `flows`, or None. Raises PrefectError."""
    wanted = {"flows": flows, "deployments": {"name": {"any_": [name]}}}
    found = api.request("POST", "/deployments/filter", wanted)
    return found[0] if found else None


def read_again(api: PrefectApi, identities: Iterable[str]) -> list[Mapping[str, Json]]:
    """Those of the deployments that are still there, as they are now. Raises PrefectError."""
    found = []
    for identity in identities:
        with suppress(NotFound):
            found.append(api.request("GET", f"/deployments/{identity}"))
    return found


def write_deployment(api: PrefectApi, body: Mapping[str, Json]) -> str:
    """Make the deployment, or change the one of that flow and name; its id. Raises PrefectError.

    In one request, but for `max_scheduled_runs`: the server drops it from schedules that come with their deployment.
    """
    answer = api.request("POST", "/deployments/", body)
    identity = str(answer["id"])
    sent = list(body["schedules"])
    limited = [number for number, one in enumerate(sent) if one.get("max_scheduled_runs")]
    # All behind the first, because the server shows them by the time of their last change.
    for number in range(limited[0], len(sent)) if limited else ():
        made = answer["schedules"][len(sent) - 1 - number]  # it shows the last first
        fields = ("active", "parameters", "max_scheduled_runs")  # parameters that are not sent are lost
        change = {name: sent[number][name] for name in fields if name in sent[number]}
        api.request("PATCH", f"/deployments/{identity}/schedules/{made['id']}", change)
    return identity


def delete_deployments(api: PrefectApi, identities: Sequence[str]) -> None:
    """Delete them, in one transaction where the server has one; those that are gone already count as done.

    Raises PrefectError; a server that deletes one by one may have deleted some by then.
    """
    if 1 < len(identities) <= _MOST_AT_ONCE and _deleted_at_once(api, identities):
        return
    for identity in identities:
        with suppress(NotFound):  # it is gone, whoever was first
            api.request("DELETE", f"/deployments/{identity}")


def _deleted_at_once(api: PrefectApi, identities: Sequence[str]) -> bool:
    wanted = {"deployments": {"id": {"any_": list(identities)}}, "limit": len(identities)}
    try:
        api.request("POST", "/deployments/bulk_delete", wanted)
    except Refused as error:
        if error.status in _NO_SUCH_REQUEST:  # older than Prefect 3.8
            return False
        raise
    return True
