"""Whether callers of Docker tasks could take all the room that what they call waits for.

A run that waits for its Docker tasks is being executed, and counts in every limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from flowyard.errors import NotFound
from flowyard.paging import PAGE
from flowyard.plan import Desired
from flowyard.ports import PrefectApi
from flowyard.registering.live import Live
from flowyard.target import Target
from flowyard.values import Json

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many runs a work pool executes at once, and each of its queues; None: as many as there are."""

    pool: str
    limit: int | None = None
    queues: Mapping[str, int] = field(default_factory=dict)


def read_limits(api: PrefectApi, target: Target) -> PoolLimits:
    """The limits of the target's work pool; none when it is not there yet. Raises PrefectError."""
    place = f"/work_pools/{quote(target.work_pool, safe='')}"
    try:
        limit = api.request("GET", place)["concurrency_limit"]
        found: Iterable[Mapping[str, Json]] = api.request("POST", f"{place}/queues/filter", {"limit": PAGE})
    except NotFound:
        return PoolLimits(target.work_pool)
    queues = {str(queue["name"]): queue["concurrency_limit"] for queue in found}
    return PoolLimits(
        target.work_pool, limit, {name: most for name, most in queues.items() if most is not None}
    )


def with_warnings(
    desired: Iterable[Desired], limits: PoolLimits, target: Target, live: Live
) -> tuple[Desired, ...]:
    """The flows, with a note on those that could wait for ever for what they call."""
    wanted = {one.flow.name: one for one in desired}

    def queues(flow: str) -> set[str]:
        if flow in wanted:
            named = (one.work_queue or target.work_queue or _DEFAULT for one in wanted[flow].deployments)
            return set(named)
        return {one.work_queue or _DEFAULT for one in live.get(flow, ())}

    def warned(one: Desired) -> Desired:
        called = set[str]().union(*map(queues, one.docker_tasks))
        return replace(one, notes=(*one.notes, *_warnings(limits, queues(one.flow.name) & called)))

    return tuple(warned(one) if one.docker_tasks else one for one in wanted.values())


def _warnings(limits: PoolLimits, shared: Iterable[str]) -> Iterator[str]:
    if limits.limit is not None:
        yield _warning(f"work pool {limits.pool}", limits.limit, "that limit")
    for queue in sorted(shared):
        if queue in limits.queues:
            yield _warning(
                f"work queue {queue}", limits.queues[queue], "that limit, or give what it calls another queue"
            )


def _warning(place: str, limit: int, remedy: str) -> str:
    runs = "one run" if limit == 1 else f"{limit} runs"
    return f"{place} executes {runs} at once; so many of it would wait for their Docker tasks in vain: raise {remedy}"
