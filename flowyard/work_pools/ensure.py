"""Makes the target's work pool when it is missing, and reads its base job template.

The template of a new pool comes from the Prefect server's own collection of worker types, so that neither a
worker nor its package needs to be on the machine that ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from flowyard.adapters.prefect_api import Conflict, NotFound
from flowyard.errors import PrefectError
from flowyard.ports import PrefectApi
from flowyard.values import Json, Target


def ensure_work_pool(api: PrefectApi, target: Target) -> Mapping[str, Json]:
    """The base job template of the target's work pool, which is made when it is missing.

    Raises PrefectError when the pool is of another type, or the server does not know the type.
    """
    try:
        pool = _read(api, target.work_pool)
    except NotFound:
        template = _template(api, target.work_pool_type)
        body = {"name": target.work_pool, "type": target.work_pool_type, "base_job_template": template}
        try:
            pool = api.request("POST", "/work_pools/", body)
        except Conflict:  # another ship made it in between
            pool = _read(api, target.work_pool)
    if pool["type"] != target.work_pool_type:
        raise PrefectError(
            f"work pool {target.work_pool} is of type {pool['type']}, "
            f"but target {target.name} says {target.work_pool_type}",
            hint="set the pool's own type in registry.toml, or name another pool",
        )
    return pool["base_job_template"] or _template(api, target.work_pool_type)


def _read(api: PrefectApi, name: str) -> Json:
    return api.request("GET", f"/work_pools/{quote(name, safe='')}")


def _template(api: PrefectApi, pool_type: str) -> Mapping[str, Json]:
    collections = api.request("GET", "/collections/views/aggregate-worker-metadata")
    for workers in collections.values():
        for worker in workers.values():
            if worker["type"] == pool_type:
                template: Mapping[str, Json] = worker["default_base_job_configuration"]
                return template
    raise PrefectError(
        f"the Prefect server knows no worker of type {pool_type}",
        hint=f"make the work pool by hand: prefect work-pool create --type {pool_type} NAME",
    )
