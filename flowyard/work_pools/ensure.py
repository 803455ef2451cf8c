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
    """A work pool that is there: its id, which no other Prefect server has, and its base job template."""

    id: str
    base_job_template: Mapping[str, Json]


def ensure_work_pool(api: PrefectApi, target: Target) -> WorkPool:
    """The target's work pool, which is made when it is missing.

    Raises PrefectError when the pool is of another type, or starts tasks in another region.
    """
    try:
        pool = _read(api, target.work_pool)
    except NotFound:
        template = base_job_template(target.work_pool_type)
        body = {"name": target.work_pool, "type": target.work_pool_type, "base_job_template": template}
        try:
            pool = api.request("POST", "/work_pools/", body)
        except Conflict:  # another ship made it in between
            pool = _read(api, target.work_pool)
    return WorkPool(str(pool["id"]), _template(api, pool, target))


def foreseen_template(api: PrefectApi, target: Target) -> Mapping[str, Json]:
    """The base job template of the target's work pool, where nothing is made: of a missing one, what it would get."""
    try:
        return _template(api, _read(api, target.work_pool), target)
    except NotFound:
        return base_job_template(target.work_pool_type)


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
