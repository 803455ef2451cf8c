"""Which flows of a ship go when: each after those it calls, a few at a time, and what becomes of the rest when one
fails or the ship is interrupted.

Apart from the steps of one flow (shipment.py): one is about order, the other about what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowyard.building.parallel import FAILED_BEFORE, INTERRUPTED, Done, Ending, Stopped, run_parallel
from flowyard.building.push_order import PushOrder
from flowyard.errors import FlowyardError, Unfinished, expected
from flowyard.interruption import ShipInterrupted, uninterrupted
from flowyard.outcome import Outcome
from flowyard.plan import Action, FlowPlan, Plan
from flowyard.planning.docker_tasks import in_call_order
from flowyard.shipment import Shipment


def ship_leased(
    shipment: Shipment, plan: Plan, blocked: Mapping[str, FlowyardError], *, whole: bool
) -> tuple[Outcome, ...]:
    """Take the flows through the steps, but those that are blocked, and move the head for those that went
    well, also when the others were interrupted."""
    ready = [flow for flow in plan.flows if flow.name not in blocked]
    rest = [Outcome(flow, error=blocked[flow.name]) for flow in plan.flows if flow.name in blocked]
    if all(flow.action is Action.UNCHANGED for flow in ready):
        return _settle(shipment, [Outcome(flow, flow.image) for flow in ready], rest, whole=whole)
    done: list[Outcome] = []
    order = PushOrder(plan.flows)
    try:
        for group in _in_call_order(ready):
            done += _ship_group(shipment, group, [*rest, *done], order)
    except Stopped as stopped:
        done += [_outcome(one) for one in stopped.endings]
        begun = {one.plan.name for one in done}
        done += [_not_begun(flow, INTERRUPTED) for flow in ready if flow.name not in begun]
        raise ShipInterrupted(_settle(shipment, done, rest, whole=False)) from stopped
    return _settle(shipment, done, rest, whole=whole)


def _in_call_order(flows: Sequence[FlowPlan]) -> Iterator[list[FlowPlan]]:
    """The flows, each after those that it calls as Docker tasks."""
    by_name = {flow.name: flow for flow in flows}
    tasks = {flow.name: flow.desired.docker_tasks if flow.desired else () for flow in flows}
    for names in in_call_order(tasks):
        yield [by_name[name] for name in names]


def _ship_group(
    shipment: Shipment, flows: Sequence[FlowPlan], before: Sequence[Outcome], order: PushOrder
) -> list[Outcome]:
    """Ship these flows, but those that call one which could not be shipped; none of them after a failure that is
    to end the rest."""
    failed = {one.plan.name for one in before if one.error is not None}
    kept = {
        flow.name: Unfinished(
            f"its Docker task {sorted(bad)[0]} could not be shipped", hint="mend that first"
        )
        for flow in flows
        if flow.desired and (bad := failed & set(flow.desired.docker_tasks))
    }
    rest = [flow for flow in flows if flow.name not in kept]
    same = [shipment.keep(flow) for flow in rest if flow.action is Action.UNCHANGED]
    ready = [flow for flow in rest if flow.action is not Action.UNCHANGED]
    if shipment.pace.fail_fast and failed:
        done = [_not_begun(flow, FAILED_BEFORE) for flow in ready]
    else:
        worker = order.noting(shipment.ship_flow)
        done = [*map(_outcome, run_parallel(ready, worker, shipment.pace, shipment.stop, order.new))]
    return [*same, *done, *(Outcome(flow, error=kept[flow.name]) for flow in flows if flow.name in kept)]


def _not_begun(flow: FlowPlan, why: str) -> Outcome:
    return Outcome(flow, error=Unfinished(why, hint="ship again"))


def _outcome(ending: Ending[FlowPlan, Outcome]) -> Outcome:
    if isinstance(ending, Done):
        return ending.value
    return Outcome(ending.item, error=expected(ending.error))


def _settle(
    shipment: Shipment, outcomes: Sequence[Outcome], rest: Sequence[Outcome], *, whole: bool
) -> tuple[Outcome, ...]:
    """Every outcome, once the head was moved; that is done also when an interrupt comes meanwhile."""
    settled: tuple[Outcome, ...] = ()
    try:
        with uninterrupted():
            settled = (*shipment.registrar.settled(outcomes, whole=whole), *rest)
    except KeyboardInterrupt as interruption:
        raise ShipInterrupted(settled) from interruption
    return settled
