"""The pipeline: load -> plan -> render -> build -> publish -> register -> report, and who is asked when.

Loading happens before (a `Project` comes in) and reporting after (outcomes go out). What lies between is
`plan_flows`, which decides, and `ship_flow`, which takes one flow through the remaining steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from flowyard.building.workshop import build_image, sources
from flowyard.errors import (
    ConfigurationError,
    FlowFailed,
    FlowyardError,
    PrefectError,
    RegistryError,
    expected,
)
from flowyard.heads import note_head, out_of_order, settling, touched
from flowyard.interruption import uninterrupted
from flowyard.plan import Action, Desired, FlowPlan, Plan, make_plan
from flowyard.planning.desired import want_all
from flowyard.planning.observe import observe
from flowyard.ports import PrefectApi
from flowyard.publish import publish
from flowyard.register import Registered, Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.registering.description import read_description
from flowyard.registering.versions import check_image, check_server, server_version
from flowyard.releasing.entry import RecordEntry
from flowyard.releasing.lease import Guarded, Lease, Terms, bury, flow_limit, hold
from flowyard.releasing.order import Commit
from flowyard.releasing.records import ReleaseRecord
from flowyard.report import Outcome
from flowyard.values import Flow, Json, PublishedImage
from flowyard.work_pools.ensure import ensure_work_pool, foreseen_template
from flowyard.yard import Yard

if TYPE_CHECKING:
    from flowyard.building.parallel import Outcome as Result

__all__ = ["ShipInterrupted", "Shipment", "Yard", "plan_flows", "ship"]

# Long enough for another ship's slowest build; one that died is waited for a minute at the most.
_TERMS = Terms(wait=1800.0)


def plan_flows(yard: Yard, flows: Sequence[Flow], *, whole: bool = False) -> Plan:
    """What would happen to these flows, and why. With `whole`, also to flows whose folder is gone."""
    desired = want_all(yard.project, flows, yard.target, yard.workshop.render)
    observed = observe(yard.api, yard.registry, yard.project, yard.target, desired)
    return make_plan(yard.target.name, desired, observed, whole=whole)


def foresee(yard: Yard, plan: Plan) -> None:
    """Raise ConfigurationError for what of a plan is known to be refused. Asks only about what would change."""
    from flowyard.planning.foresee import misfits, sets_job_variables

    if sets_job_variables(plan, yard.target):
        errors = misfits(plan, yard.target, foreseen_template(yard.api, yard.target))
        problems = [problem for error in errors.values() for problem in error.problems]
        if problems:
            raise ConfigurationError(tuple(dict.fromkeys(problems)))


def ship(
    yard: Yard, flows: Sequence[Flow], *, build: bool = True, whole: bool = False
) -> tuple[Outcome, ...]:
    """Ship the flows; one flow's failure does not keep the others from being shipped.

    Without `build` only images that exist are registered. `whole` says that all flows are meant, whichever
    they are, so what belongs to a folder that is gone is removed. Another ship of one of the flows is waited
    for. Raises FlowyardError only for what concerns all of them, before anything was changed, and
    ShipInterrupted, with what was done, when it was interrupted.
    """
    bury(yard.api, yard.holder)  # also when there is nothing to do: ships elsewhere wait for what it held
    plan = plan_flows(yard, flows, whole=whole)
    commit = yard.workshop.commit(sources(flows))
    held = touched(yard, plan, commit, whole=whole)
    if not held:
        return tuple(Outcome(flow, flow.image) for flow in plan.flows)
    if plan.changes:
        check_server(server_version(yard.api))
    done: tuple[Outcome, ...] | None = None
    try:
        while done is None:
            limits = [flow_limit(yard.project.name, yard.target.name, name) for name in held]
            with hold(yard.api, limits, _TERMS, yard.holder) as lease:
                # Once more: another ship may have ended meanwhile.
                plan = plan_flows(yard, flows, whole=whole)
                wanted = touched(yard, plan, commit, whole=whole)
                if wanted <= held:
                    plan = settling(yard, plan, wanted)
                    template = ensure_work_pool(yard.api, yard.target) if plan.changes else {}
                    shipment = Shipment(yard, commit, template, lease, build=build)
                    done = _ship_leased(shipment, plan, _blocked(yard, plan, commit, template), whole=whole)
            held |= wanted  # what it has done changes what we have to do
    except ShipInterrupted:
        raise
    except KeyboardInterrupt as interruption:
        if done is None:
            raise
        raise ShipInterrupted(done) from interruption  # while the lease was given back
    return done


class ShipInterrupted(KeyboardInterrupt):
    """A ship that was interrupted. `outcomes` say what was done and what was not."""

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__()
        self.outcomes = outcomes


def _blocked(
    yard: Yard, plan: Plan, commit: Commit | None, base_job_template: Mapping[str, Json]
) -> Mapping[str, FlowyardError]:
    """Why flows that would change are not shipped, as far as it is known before anything is built."""
    if not plan.changes:
        return {}
    from flowyard.planning.foresee import misfits

    return {**misfits(plan, yard.target, base_job_template), **out_of_order(yard, plan, commit)}


def _ship_leased(
    shipment: Shipment, plan: Plan, blocked: Mapping[str, FlowyardError], *, whole: bool
) -> tuple[Outcome, ...]:
    """Take the flows through the steps, but those that are blocked, and move the head for those that went
    well, also when the others were interrupted."""
    ready = [flow for flow in plan.flows if flow.name not in blocked]
    rest = [Outcome(flow, error=blocked[flow.name]) for flow in plan.flows if flow.name in blocked]
    if all(flow.action is Action.UNCHANGED for flow in ready):
        return _settle(shipment, [Outcome(flow, flow.image) for flow in ready], rest, whole=whole)
    from flowyard.building.parallel import Stopped, run_parallel

    try:
        done = run_parallel(ready, shipment.ship_flow, shipment.jobs, shipment.stop)
    except Stopped as stopped:
        outcomes = _settle(shipment, [_outcome(one) for one in stopped.outcomes], rest, whole=False)
        raise ShipInterrupted(outcomes) from stopped
    return _settle(shipment, [_outcome(one) for one in done], rest, whole=whole)


def _settle(
    shipment: Shipment, outcomes: Sequence[Outcome], rest: Sequence[Outcome], *, whole: bool
) -> tuple[Outcome, ...]:
    settled: tuple[Outcome, ...] = ()
    try:
        with uninterrupted():
            settled = (*shipment.settled(outcomes, whole=whole), *rest)
    except KeyboardInterrupt as interruption:
        raise ShipInterrupted(settled) from interruption
    return settled


class Shipment:
    """One ship under its lease: takes flows through render, build, publish and register."""

    def __init__(
        self,
        yard: Yard,
        commit: Commit | None,
        base_job_template: Mapping[str, Json],
        lease: Lease,
        *,
        build: bool,
    ) -> None:
        self._yard = yard
        self._progress = yard.workshop.progress
        self._commit = commit
        self._base_job_template = base_job_template
        self._lease = lease
        self._build = build
        self._one_at_a_time = threading.Lock()  # parallel writes are slower, and on SQLite collide
        self._stopped = threading.Event()

    @property
    def jobs(self) -> int | None:
        """How many flows are shipped at once."""
        return self._yard.jobs

    def stop(self) -> None:
        """End the builds that run, and register nothing more."""
        self._stopped.set()
        self._yard.workshop.stop()

    def settled(self, outcomes: Sequence[Outcome], *, whole: bool) -> tuple[Outcome, ...]:
        """The outcomes once the head was moved for what went well. Where that failed, they say so."""
        good = [one for one in outcomes if one.error is None]
        try:
            self._lease.check()
            note_head(self._yard, [one.plan for one in good], self._commit, whole=whole)
        except FlowyardError as error:
            late = PrefectError(
                f"shipped, but the target's head was not moved: {error.message}", hint="ship again"
            )
            return tuple(replace(one, error=late) if one in good else one for one in outcomes)
        return tuple(outcomes)

    def ship_flow(self, plan: FlowPlan) -> Outcome:
        """The steps of one flow. Raises FlowyardError; nothing is registered then."""
        if plan.action is Action.REMOVE:
            with self._writing() as api:
                remove(api, plan.live)
            self._progress.done(plan.name, "removed")
        if plan.desired is None or plan.action is Action.UNCHANGED:
            return Outcome(plan, plan.image)
        image = plan.image or self._build_and_publish(plan.desired)
        registered = self._register(plan, plan.desired, image)
        self._progress.done(plan.name, "registered " + ", ".join(item.name for item in registered))
        return Outcome(plan, image, registered)

    def _build_and_publish(self, desired: Desired) -> PublishedImage:
        workshop = self._yard.workshop
        if not self._build:
            raise FlowFailed(
                f"{desired.reference} is not in the container registry",
                hint=f"run `python build.py ship {desired.flow.name}`, which builds it",
            )
        built = build_image(workshop, desired, self._commit, push=True)
        if built.digest is None:
            raise RegistryError(f"BuildKit reported no digest for {desired.reference}")
        return publish(self._yard.registry, desired.reference, built.digest)

    def _register(self, plan: FlowPlan, desired: Desired, image: PublishedImage) -> tuple[Registered, ...]:
        yard = self._yard
        self._progress.step(plan.name, "registering")
        sha = self._commit.sha if self._commit else ""
        marks = Marks(yard.project.name, yard.target.name, plan.name, desired.key, desired.spec, sha)
        description = read_description(yard.registry, image)
        check_image(plan.name, description.prefect, server_version(yard.api))
        unit = Unit(yard.target, desired.deployments, image, description, marks)
        with self._writing() as api:
            record = RecordEntry(api, self._record(desired, image))
            return register(api, unit, self._base_job_template, plan.live, record)

    @contextmanager
    def _writing(self) -> Iterator[PrefectApi]:
        """One flow at a time, and only while the lease is ours and nobody interrupted the ship."""
        with self._one_at_a_time:
            if self._stopped.is_set():
                raise FlowFailed("interrupted before anything of it was registered", hint="ship again")
            self._lease.check()
            yield Guarded(self._yard.api, self._lease)

    def _record(self, desired: Desired, image: PublishedImage) -> ReleaseRecord:
        yard = self._yard
        return ReleaseRecord(
            project=yard.project.name,
            target=yard.target.name,
            flow=desired.flow.name,
            key=desired.key,
            spec=desired.spec,
            image=str(image),
            commit=self._commit.sha if self._commit else None,
            dirty=self._commit.dirty if self._commit else False,
            deployments=(),  # their full names are known when they are registered
            shipped_by=yard.user,
            inputs=desired.inputs,
        )


def _outcome(result: Result[FlowPlan, Outcome]) -> Outcome:
    from flowyard.building.parallel import Done

    if isinstance(result, Done):
        return result.value
    return Outcome(result.item, error=expected(result.error))
