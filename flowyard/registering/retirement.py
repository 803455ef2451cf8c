"""Task definitions that nothing names any more: which they are, and that they are retired.

A revision that is retired starts no task again, so all that may still want one is asked: what was just registered,
the flow's release records, every deployment of the server, and the images that release records of other flows pin.
What is asked last is asked only when something is left, which is seldom: a record names what a ship registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowyard.aws.arns import FlowOwner
from flowyard.errors import FlowyardError
from flowyard.ports import PrefectApi, Revisions
from flowyard.releasing.history import deployed_task_definitions, records_of, records_of_all


def retire_unneeded(
    api: PrefectApi,
    revisions: Revisions,
    owner: FlowOwner,
    deployments: Iterable[str],
    current: Iterable[str],
) -> tuple[str, ...]:
    """Retire what nothing names, of the families of these deployments. `current` are ARNs that were just
    registered. Returns a note when that could not be done: a flow is shipped without it."""
    try:
        families = (owner.of(name).family for name in deployments)
        found = [arn for family in families for arn in revisions.active(family)]
        left = [arn for arn in found if arn not in set(current)]
        for arn in _unpinned(api, revisions, owner, _unnamed(api, owner, left)):
            revisions.retire(arn)
    except FlowyardError as error:
        return (f"old task definitions were not retired: {error.message}",)
    return ()


def _unnamed(api: PrefectApi, owner: FlowOwner, arns: Sequence[str]) -> Sequence[str]:
    """Those that no release record of the flow and no deployment names."""
    if arns:
        records = records_of(api, owner.project, owner.target, owner.flow)
        recorded = {arn for record in records for arn in record.task_definitions.values()}
        arns = [arn for arn in arns if arn not in recorded]
    if arns:
        deployed = deployed_task_definitions(api)
        arns = [arn for arn in arns if arn not in deployed]
    return arns


def _unpinned(api: PrefectApi, revisions: Revisions, owner: FlowOwner, arns: Sequence[str]) -> Sequence[str]:
    """Those whose image no Docker task of the target is pinned to."""
    if not arns:
        return arns
    records = records_of_all(api, owner.project, owner.target)
    pinned = {_digest(image) for record in records for image in record.pinned.values()}
    return [arn for arn in arns if pinned.isdisjoint(map(_digest, revisions.images(arn)))]


def _digest(image: str) -> str:
    return image.rpartition("@")[2]
