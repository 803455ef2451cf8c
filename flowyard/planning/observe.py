"""What is there now: one request for all deployments, and a few more only for flows that changed.

Beside it a ship with nothing to do reads the target's head, and that is all it asks Prefect, whatever the number of
flows; the container registry is never asked then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from flowyard.deployed import Deployments
from flowyard.plan import Action, Desired, FlowPlan, Observed, Plan, plan_flow
from flowyard.planning.docker_tasks import with_releases
from flowyard.planning.pool_limits import read_limits, with_warnings
from flowyard.registering.live import Live, by_flow
from flowyard.releasing.records import latest_of

if TYPE_CHECKING:
    from flowyard.yard import Yard


def observe(yard: Yard, desired: Iterable[Desired], live: Live) -> tuple[tuple[Desired, ...], Observed]:
    """What `make_plan` needs to know of the target beside its deployments, and the flows with what they call on it.

    Raises ConfigurationError when a Docker task is not there.
    """
    api, target = yard.api, yard.target
    desired = with_releases(desired, live)
    first = [plan_flow(wanted, Observed(live)) for wanted in desired]
    changed = [plan for plan in first if plan.action is not Action.UNCHANGED]
    records = latest_of(api, yard.project.name, target.name, [plan.name for plan in changed])
    released = {name: record.inputs for name, record in records.items()}
    unknown = [plan.desired.reference for plan in changed if plan.desired and plan.image is None]
    found = {reference: yard.registry.find(reference) for reference in unknown}
    held = {reference: image for reference, image in found.items() if image is not None}
    return desired, Observed(live, released, held)


def warned(yard: Yard, plan: Plan, flows: Iterable[FlowPlan], deployments: Deployments) -> Plan:
    """The plan, where those of `flows` have a note that could wait for ever for their Docker tasks.

    The work pool is asked for its limits, and only when one of them calls any: no plan depends on it, so a ship asks
    for what it changes. Raises PrefectError.
    """
    calling = {flow.name for flow in flows if flow.desired and flow.desired.docker_tasks}
    if not calling:
        return plan
    live = by_flow(deployments, yard.project.name, yard.target.name)
    desired = [flow.desired for flow in plan.flows if flow.desired]
    noted = with_warnings(desired, read_limits(yard.api, yard.target), yard.target, live)
    found = {one.flow.name: one for one in noted if one.flow.name in calling}
    told = (replace(flow, desired=found.get(flow.name, flow.desired)) for flow in plan.flows)
    return replace(plan, flows=tuple(told))
