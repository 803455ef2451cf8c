"""The pipeline: load -> render -> plan -> build -> publish -> register -> report, and who is asked when.

Loading happens before (a `Project` comes in) and reporting after (outcomes go out). What lies between is
`plan_flows`, which renders and decides (a Dockerfile's text is part of the key that tells whether to build), and
`ship_flow` of shipment.py, which takes one flow through the remaining steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from flowyard.ahead import ahead, preload
from flowyard.building.workshop import sources
from flowyard.deployed import Deployments, read_anew, read_deployments
from flowyard.errors import ConfigurationError, FlowyardError
from flowyard.interruption import ShipInterrupted
from flowyard.outcome import Outcome
from flowyard.plan import Action, Plan, make_plan
from flowyard.planning.desired import want_all
from flowyard.planning.observe import observe, warned
from flowyard.registering.live import by_flow
from flowyard.releasing.lease import Lease, Terms, bury, hold
from flowyard.releasing.limits import flow_limit
from flowyard.releasing.order import Commit
from flowyard.shipping.heads import out_of_order, settling, to_hold
from flowyard.values import Flow
from flowyard.work_pools.ensure import WorkPool, find_work_pool
from flowyard.yard import Yard

# Long enough for another ship's slowest build; one that died is waited for a minute at the most.
_TERMS = Terms(wait=1800.0)


def plan_flows(
    yard: Yard, flows: Sequence[Flow], *, whole: bool = False, deployed: Future[Deployments] | None = None
) -> Plan:
    """What would happen to these flows, and why. With `whole`, also to flows whose folder is gone.

    `deployed` is what was asked before; without it, it is asked now.
    """
    asked = deployed or ahead(lambda: read_deployments(yard.api, yard.project.name))
    desired = want_all(yard.project, flows, yard.target, yard.workshop.render)
    live = by_flow(asked.result(), yard.project.name, yard.target.name)
    desired, observed = observe(yard, desired, live)
    return make_plan(yard.target.name, desired, observed, whole=whole)


def changed_images(yard: Yard, flows: Sequence[Flow]) -> tuple[Flow, ...]:
    """Those of the flows whose image is another than what is deployed."""
    changes = plan_flows(yard, flows).changes
    names = {flow.name for flow in changes if flow.action in (Action.BUILD, Action.REUSE)}
    return tuple(flow for flow in flows if flow.name in names)


def foresee(yard: Yard, plan: Plan) -> None:
    """Raise ConfigurationError for what of a plan is known to be refused. Asks only about what would change."""
    from flowyard.planning.foresee import job_variable_misfits, sets_job_variables

    errors = [*_parameter_misfits(yard, plan).values()]
    if sets_job_variables(plan, yard.target):
        pool = find_work_pool(yard.api, yard.target)
        errors += job_variable_misfits(plan, yard.target, pool.base_job_template).values()
    problems = [problem for error in errors for problem in error.problems]
    if problems:
        raise ConfigurationError(tuple(dict.fromkeys(problems)))


def _parameter_misfits(yard: Yard, plan: Plan) -> Mapping[str, ConfigurationError]:
    from flowyard.planning.foresee import parameter_misfits
    from flowyard.registering.description import read_description

    return parameter_misfits(plan, lambda image: read_description(yard.registry, image))


def ship(
    yard: Yard,
    flows: Sequence[Flow],
    *,
    build: bool = True,
    whole: bool = False,
    deployed: Future[Deployments] | None = None,
) -> tuple[Outcome, ...]:
    """Ship the flows; one flow's failure does not keep the others from being shipped.

    Without `build` only images that exist are registered. `whole` says that all flows are meant, whichever
    they are, so what belongs to a folder that is gone is removed. `deployed` is as for `plan_flows`. Another ship
    of one of the flows is waited for. Raises FlowyardError only for what concerns all of them, before anything was
    changed, and ShipInterrupted, with what was done, when it was interrupted.
    """
    bury(yard.api, yard.holder)  # also when there is nothing to do: ships elsewhere wait for what it held
    commit_read = ahead(lambda: yard.workshop.commit(sources(flows)))
    deployed = deployed or ahead(lambda: read_deployments(yard.api, yard.project.name))
    plan = plan_flows(yard, flows, whole=whole, deployed=deployed)
    commit = commit_read.result()
    held = to_hold(yard, plan, commit, whole=whole)
    if not held:
        return tuple(Outcome(flow, flow.image) for flow in plan.flows)
    from flowyard.registering.versions import check_server, server_version

    if plan.changes:
        check_server(server_version(yard.api))
    asked = _Asked(flows=tuple(flows), commit=commit, build=build, whole=whole)
    while True:
        done, wanted = _attempt(yard, asked, held, deployed.result())
        if done is not None:
            return done
        held |= wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a ship was asked for: which flows, at which commit, and how."""

    flows: tuple[Flow, ...]
    commit: Commit | None
    build: bool
    whole: bool


def _attempt(
    yard: Yard, asked: _Asked, held: set[str], before: Deployments
) -> tuple[tuple[Outcome, ...] | None, set[str]]:
    """Ship while these flows are held; `before` is what was deployed before they were. None, and what has to be
    held as well, when another ship that ended in between has changed what there is to do.

    Where it has changed flows that are not held, the target's head says so.
    """
    done: tuple[Outcome, ...] | None = None
    limits = [flow_limit(yard.project.name, yard.target.name, name) for name in held]
    try:
        loaded = ahead(preload)
        with hold(yard.api, limits, _TERMS, yard.holder) as lease:
            ids = _ids(yard, before, held)
            now = ahead(lambda: read_anew(yard.api, yard.project.name, before, ids))
            plan = plan_flows(yard, asked.flows, whole=asked.whole, deployed=now)
            wanted = to_hold(yard, plan, asked.commit, whole=asked.whole)
            if wanted <= held:
                plan = settling(yard, plan, wanted)
                plan = warned(yard, plan, plan.changes, now.result())
                loaded.result()
                done = _ship_held(yard, asked, plan, lease)
    except ShipInterrupted:
        raise
    except KeyboardInterrupt as interruption:
        if done is None:
            raise
        raise ShipInterrupted(done) from interruption  # while the lease was given back
    return done, wanted


def _ids(yard: Yard, deployments: Deployments, names: Collection[str]) -> set[str]:
    live = by_flow(deployments, yard.project.name, yard.target.name)
    return {one.id for name in names for one in live.get(name, ())}


def _ship_held(yard: Yard, asked: _Asked, plan: Plan, lease: Lease) -> tuple[Outcome, ...]:
    """Ship what the lease holds."""
    from flowyard.shipment import Shipment
    from flowyard.shipping.registrar import Registrar
    from flowyard.shipping.schedule import ship_leased

    pool = find_work_pool(yard.api, yard.target) if plan.changes else None
    blocked = _blocked(yard, plan, asked.commit, pool)
    registrar = Registrar(yard, asked.commit, pool, lease)
    shipment = Shipment(yard, asked.commit, registrar, build=asked.build)
    return ship_leased(shipment, plan, blocked, whole=asked.whole)


def _blocked(
    yard: Yard, plan: Plan, commit: Commit | None, pool: WorkPool | None
) -> Mapping[str, FlowyardError]:
    """Why flows that would change are not shipped, as far as it is known before anything is built."""
    if pool is None:
        return {}
    from flowyard.planning.foresee import job_variable_misfits

    return {
        **_parameter_misfits(yard, plan),
        **job_variable_misfits(plan, yard.target, pool.base_job_template),
        **out_of_order(yard, plan, commit),
    }
