"""Makes the target's work pool when it is missing, and reads its base job template.

The template of a new pool comes from the worker's own package: the collection of worker types that the Prefect
server keeps is older than the workers (it lacks `container_create_kwargs` of docker pools).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from flowyard.configuration.pool_types import why_not
from flowyard.errors import Conflict, NotFound, PrefectError
from flowyard.ports import PrefectApi
from flowyard.target import Target
from flowyard.values import Json
from flowyard.work_pools import base_job_template
from flowyard.work_pools.region import check_region


@dataclass(frozen=True, slots=True)
class WorkPool:
    """A work pool: its id, which no other Prefect server has, and its base job template. One that is not there yet
    has no id, and the template that it would get."""

    id: str
    base_job_template: Mapping[str, Json]


def find_work_pool(api: PrefectApi, target: Target) -> WorkPool:
    """The target's work pool, whether or not it is there.

    Raises PrefectError when the pool is of another type, or starts tasks in another region.
    """
    try:
        pool = _read(api, target.work_pool)
    except NotFound:
        return WorkPool("", base_job_template(target.work_pool_type))
    return WorkPool(str(pool["id"]), _template(api, pool, target))


def ensure_work_pool(api: PrefectApi, target: Target, found: WorkPool | None = None) -> WorkPool:
    """The pool that was found, or is found now; made where there is none. Raises as `find_work_pool` does."""
    found = found or find_work_pool(api, target)
    if found.id:
        return found
    body = {
        "name": target.work_pool,
        "type": target.work_pool_type,
        "base_job_template": dict(found.base_job_template),
    }
    try:
        pool = api.request("POST", "/work_pools/", body)
    except Conflict:  # another ship made it in between
        pool = _read(api, target.work_pool)
    return WorkPool(str(pool["id"]), _template(api, pool, target))


def _template(api: PrefectApi, pool: Json, target: Target) -> Mapping[str, Json]:
    found = str(pool["type"])
    if found != target.work_pool_type:
        why = why_not(found)
        raise PrefectError(
            f"work pool {target.work_pool} is of type {found}, "
            f"but target {target.name} says {target.work_pool_type}",
            hint=f"name another pool: {why}"
            if why
            else "set the pool's own type in registry.toml, or name another pool",
        )
    template: Mapping[str, Json] = pool["base_job_template"] or base_job_template(target.work_pool_type)
    check_region(api, target, template)
    return template


def _read(api: PrefectApi, name: str) -> Json:
    return api.request("GET", f"/work_pools/{quote(name, safe='')}")
