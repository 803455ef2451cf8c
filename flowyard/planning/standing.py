"""Where a ship leaves its flows: the commit and the release that the target's head is to name for each.

Pure, so that "is there anything to note?" is answered before anything is leased or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flowyard.plan import Action, FlowPlan, Plan
from flowyard.releasing.records import ReleaseRecord, release_name

UNRECORDED = "the ship that registered it was interrupted and kept no release record"
UNNOTED = "the ship that removed it was interrupted and did not note it"


@dataclass(frozen=True, slots=True)
class Standing:
    """By flow: the commit it is known to be at, and the release that is deployed (none when removed)."""

    commits: Mapping[str, str | None]
    releases: Mapping[str, str]


def is_deployed(flow: FlowPlan) -> bool:
    """Whether the flow has deployments on the target once it is shipped."""
    return bool(flow.desired and flow.desired.deployments) and flow.action is not Action.REMOVE


def standing(flows: Iterable[FlowPlan], commit: str | None) -> Standing:
    """What holds for these flows once they are shipped; also for those that did not need to change."""
    flows = tuple(flows)
    releases = {
        flow.name: release_name(flow.desired.key, flow.desired.spec)
        for flow in flows
        if flow.desired and is_deployed(flow)
    }
    removed = [flow.name for flow in flows if flow.action is Action.REMOVE]
    return Standing(dict.fromkeys([*releases, *removed], commit), releases)


def with_unsettled(plan: Plan, names: set[str], records: Mapping[str, ReleaseRecord]) -> Plan:
    """The plan in which the flows of these names are noted: registered or removed again where that is not on
    record. `records` has the newest record of each that has any."""
    known = {flow.name for flow in plan.flows}
    gone = [FlowPlan(name, Action.REMOVE, (UNNOTED,)) for name in sorted(names - known)]
    flows = [_settled(flow, records.get(flow.name)) if flow.name in names else flow for flow in plan.flows]
    return replace(plan, flows=(*flows, *gone))


def _settled(flow: FlowPlan, record: ReleaseRecord | None) -> FlowPlan:
    wanted = flow.desired
    if flow.action is not Action.UNCHANGED or wanted is None:
        return flow
    if not is_deployed(flow):
        return replace(flow, action=Action.REMOVE, reasons=(UNNOTED,))
    found = record and (record.key, record.spec, record.image)
    if found == (wanted.key, wanted.spec, str(flow.image)):
        return flow
    return replace(flow, action=Action.REGISTER, reasons=(UNRECORDED,))
