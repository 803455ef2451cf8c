"""The concurrency limits that leases are taken on: their names, making them, and whether they protect.

A limit of one slot per flow is made when it is missing. The server ignores names it does not know and
limits that are switched off, so a limit is looked at before anybody relies on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowyard.errors import Busy, Conflict, PrefectError
from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.texts import shortened
from flowyard.values import Json

LIMITS = "/v2/concurrency_limits"
_SHOWN_NAMES = 5
PINS = "*pins"  # where a limit's name has a flow; no flow is called so


def flow_limit(project: str, target: str, flow: str) -> str:
    """The name of the limit of one flow on one target. (Prefect allows no slash in it.)"""
    return f"flowyard:{project}:{target}:{flow}"


def head_limit(project: str, target: str) -> str:
    """The name of the limit around changes of the target's head."""
    return f"flowyard:{project}:{target}"


def pins_limit(project: str, target: str) -> str:
    """The name of the limit around making and removing pins of Docker tasks."""
    return f"{head_limit(project, target)}:{PINS}"


def limited_flow(name: str) -> str:
    """The flow of a limit's name; empty for the head's."""
    return (*name.split(":"), "", "")[3]


def create(api: PrefectApi, name: str) -> None:
    """Make the limit unless it is there."""
    try:
        api.request("POST", f"{LIMITS}/", {"name": name, "limit": 1, "active": True})
    except Conflict:
        return  # another ship made it in between


def refuse_unprotected(api: PrefectApi, names: Sequence[str]) -> None:
    """Raise PrefectError unless each limit is on and has one slot: no other answer of the server says so."""
    found = {str(limit["name"]): limit for limit in _read(api, names)}
    problems = [name for name in names if not _protects(found.get(name))]
    if problems:
        raise PrefectError(
            f"the concurrency limit {listed(problems)} was changed in Prefect and protects nothing",
            hint=f"delete it, it is made again: prefect gcl delete {problems[0]}",
        )


def busy(api: PrefectApi, names: Sequence[str]) -> Busy:
    """The error that says which of the names are taken now."""
    limits = [limit for limit in _read(api, names) if limit["name"] in names]
    taken = [str(limit["name"]) for limit in limits if limit["active_slots"]]
    if not taken:  # given back between the two questions
        return Busy(f"another ship held one of {listed(names)} a moment ago", names=(), hint="ship again")
    return Busy(
        f"another ship of {listed([_subject(name) for name in taken])} is running",
        names=taken,
        hint=f"wait for it and ship again; {how_to_free(taken[0])}",
    )


def how_to_free(name: str) -> str:
    """What to do when a name is busy and nobody holds it."""
    return f"if none runs (one was killed and the server restarted since), free it: prefect gcl delete {name}"


def listed(names: Sequence[str]) -> str:
    """The first few of the names."""
    return shortened(names, _SHOWN_NAMES)


def _protects(limit: Json) -> bool:
    if limit is None:
        return False
    return bool(limit["active"] and limit["limit"] == 1 and limit["slot_decay_per_second"] == 0)


def _read(api: PrefectApi, names: Sequence[str]) -> list[Json]:
    if len(names) == 1:
        return [api.request("GET", f"{LIMITS}/{names[0]}")]
    return read_all(api, f"{LIMITS}/filter", {})


def _subject(name: str) -> str:
    return limited_flow(name) or f"the head of {name.split(':')[2]}"
