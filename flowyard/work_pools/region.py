"""Whether a work pool starts tasks in the region where their definitions are.

A worker's own region is known to nobody but its machine. That of the AWS credentials which a pool names is known to
Prefect: push pools always name some.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from flowyard.errors import PrefectError, Refused
from flowyard.ports import PrefectApi
from flowyard.target import Target
from flowyard.values import Json

_UNSEEN = (401, 403, 404)  # not for us to see, or gone, which Prefect says at the first run


def check_region(api: PrefectApi, target: Target, template: Mapping[str, Json]) -> None:
    """Raise PrefectError where the pool's credentials are for another region than the target's tasks. Asks only
    where the pool's base job template names credentials."""
    block = _credentials(template)
    if target.ecs is None or block is None:
        return
    try:
        found = api.request("GET", f"/block_documents/{quote(block, safe='')}")
    except Refused as error:
        if error.status in _UNSEEN:
            return
        raise
    region = (found.get("data") or {}).get("region_name")
    if not region or region == target.ecs.region:
        return
    raise PrefectError(
        f"work pool {target.work_pool} starts tasks in {region}, the region of its block {found.get('name')}, but the "
        f"tasks of target {target.name} are defined in {target.ecs.region}",
        hint=f'set ecs.region = "{region}" for the target, or the region of the block: a task definition is of one '
        "region (the registry may be in another)",
    )


def _credentials(template: Mapping[str, Json]) -> str | None:
    """The id of the block that Prefect's ECS pools name for all their runs."""
    properties = (template.get("variables") or {}).get("properties") or {}
    named = (properties.get("aws_credentials") or {}).get("default")
    reference = named.get("$ref") if isinstance(named, Mapping) else None
    block = reference.get("block_document_id") if isinstance(reference, Mapping) else None
    return None if block is None else str(block)
