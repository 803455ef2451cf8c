"""One ship under its lease: build -> publish -> register, flow by flow, then the target's head.

Apart from pipeline.py, which decides whether there is anything to do: a ship with nothing to do is most ships,
and does not load what follows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from flowyard.ahead import ahead
from flowyard.building.pace import Pace
from flowyard.building.push_order import PushOrder
from flowyard.building.workshop import build_image
from flowyard.errors import FlowFailed, FlowyardError, PushFailed, RegistryError, Unfinished, expected
from flowyard.interruption import ShipInterrupted, uninterrupted
from flowyard.outcome import Outcome, Registered
from flowyard.plan import Action, Desired, FlowPlan, Plan
from flowyard.planning.docker_tasks import calls_mark, in_call_order
from flowyard.ports import PrefectApi
from flowyard.program import PROGRAM
from flowyard.publish import publish
from flowyard.register import Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.registering.description import read_description
from flowyard.registering.pruning import Pins
from flowyard.registering.task_definitions import DefinitionSteps
from flowyard.registering.versions import check_image, server_version
from flowyard.releasing.entry import RecordEntry
from flowyard.releasing.lease import Guarded, Lease
from flowyard.releasing.order import Commit
from flowyard.releasing.records import ReleaseRecord
from flowyard.shipping.heads import note_head
from flowyard.shipping.pinning import Pinning
from flowyard.stubs.files import StubFiles
from flowyard.stubs.refresh import refresh_stubs
from flowyard.values import ImageReference, Json, PublishedImage, published
from flowyard.work_pools.ensure import WorkPool
from flowyard.yard import Yard

if TYPE_CHECKING:
    from flowyard.building.parallel import Ending


def ship_leased(
    shipment: Shipment, plan: Plan, blocked: Mapping[str, FlowyardError], *, whole: bool
) -> tuple[Outcome, ...]:
    """Take the flows through the steps, but those that are blocked, and move the head for those that went
    well, also when the others were interrupted."""
    ready = [flow for flow in plan.flows if flow.name not in blocked]
    rest = [Outcome(flow, error=blocked[flow.name]) for flow in plan.flows if flow.name in blocked]
    if all(flow.action is Action.UNCHANGED for flow in ready):
        return _settle(shipment, [Outcome(flow, flow.image) for flow in ready], rest, whole=whole)
    from flowyard.building.parallel import INTERRUPTED, Stopped

    done: list[Outcome] = []
    order = PushOrder(plan.flows)
    try:
        for group in _in_call_order(ready):
            done += _ship_group(shipment, group, [*rest, *done], order)
    except Stopped as stopped:
        done += [_outcome(one) for one in stopped.endings]
        begun = {one.plan.name for one in done}
        kept = [flow for flow in ready if flow.name not in begun]
        done += [Outcome(flow, error=Unfinished(INTERRUPTED, hint="ship again")) for flow in kept]
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
    from flowyard.building.parallel import run_parallel

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
        done = [Outcome(flow, error=_not_begun()) for flow in ready]
    else:
        worker = order.noting(shipment.ship_flow)
        done = [*map(_outcome, run_parallel(ready, worker, shipment.pace, shipment.stop, order.new))]
    return [*same, *done, *(Outcome(flow, error=kept[flow.name]) for flow in flows if flow.name in kept)]


def _not_begun() -> Unfinished:
    from flowyard.building.parallel import FAILED_BEFORE

    return Unfinished(FAILED_BEFORE, hint="ship again")


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
    """One ship under its lease: takes flows through build, publish and register."""

    def __init__(
        self,
        yard: Yard,
        commit: Commit | None,
        pool: WorkPool | None,
        lease: Lease,
        *,
        build: bool,
    ) -> None:
        self._yard = yard
        self._progress = yard.workshop.progress
        self._commit = commit
        self._base_job_template: Mapping[str, Json] = pool.base_job_template if pool else {}
        self._definitions = DefinitionSteps(
            side=yard.ecs, target=yard.target, project=yard.project.name, pool=pool.id if pool else ""
        )
        self._stubs = StubFiles(yard.project.root)
        self._pinning = Pinning(Pins(yard.api, yard.project.name, yard.target.name), yard.holder)
        self._server = ahead(lambda: server_version(yard.api)) if pool else None
        self._lease = lease
        self._build = build
        self._one_at_a_time = threading.Lock()  # parallel writes are slower, and on SQLite collide
        self._stopped = threading.Event()
        self._current: set[str] = set()  # flows whose deployed image is of the code that is here

    @property
    def pace(self) -> Pace:
        """How the flows are gone through."""
        return self._yard.pace

    def stop(self) -> None:
        """End the builds that run, and register nothing more."""
        self._stopped.set()
        self._yard.workshop.stop()

    def settled(self, outcomes: Sequence[Outcome], *, whole: bool) -> tuple[Outcome, ...]:
        """The outcomes once the head was moved for what went well. Where that failed, they say so."""
        good = [one.plan for one in outcomes if one.error is None]
        try:
            self._lease.check()
            note_head(self._yard, good, self._commit, whole=whole)
            outcomes = self._pinning.pruned(Guarded(self._yard.api, self._lease), outcomes)
        except FlowyardError as error:
            text = f"shipped, but the target's head was not moved: {error.message}"
            late = error.retold(text, hint="ship again")
            return tuple(replace(one, error=late) if one.error is None else one for one in outcomes)
        return tuple(outcomes)

    def keep(self, plan: FlowPlan) -> Outcome:
        """Leave an unchanged flow as it is; those that call it may rely on its image."""
        self._current.add(plan.name)
        return Outcome(plan, plan.image)

    def ship_flow(self, plan: FlowPlan) -> Outcome:
        """The steps of one flow that changes. Raises FlowyardError; nothing is registered then."""
        if plan.action is Action.REMOVE:
            return self._remove(plan)
        desired = plan.desired
        if desired is None:  # never a reason to take its deployments away
            raise ValueError(f"the plan says {plan.action} of {plan.name}, and not what is wanted of it")
        notes = self._definitions.check(desired)
        image = plan.image or self._build_and_publish(desired)
        self._progress.step(plan.name, "registering")
        with self._pinning.held(desired):
            if desired.docker_tasks:
                with self._writing() as api:
                    desired = self._pinning.ensured(api, desired)
            registered, revisions = self._register(plan, desired, image)
        names = {*revisions, *(str(live["name"]) for live in plan.live)}
        notes += self._definitions.retire(self._yard.api, plan.name, sorted(names), revisions.values())
        self._current.add(plan.name)
        called = {
            task: published(text) if task in self._current else None for task, text in desired.pinned.items()
        }
        images = {**called, plan.name: image}
        notes += refresh_stubs(self._stubs, self._yard.project, self._yard.registry, plan.name, images)
        self._progress.done(plan.name, "registered " + ", ".join(item.name for item in registered))
        return Outcome(plan, image, registered, notes=notes)

    def _remove(self, plan: FlowPlan) -> Outcome:
        with self._writing() as api:
            remove(api, plan.live)
        names = sorted(str(live["name"]) for live in plan.live)
        notes = self._definitions.retire(self._yard.api, plan.name, names)
        self._progress.done(plan.name, "removed")
        return Outcome(plan, plan.image, notes=notes)

    def _build_and_publish(self, desired: Desired) -> PublishedImage:
        workshop = self._yard.workshop
        if not self._build:
            raise FlowFailed(
                f"{desired.reference} is not in the container registry",
                hint=f"run `{PROGRAM} ship {desired.flow.name}`, which builds it",
            )
        repository = self._yard.repositories.ready(desired.reference.repository)
        try:
            built = build_image(workshop, desired, self._commit, push_to=repository)
        except PushFailed:
            held = self._held(desired.reference)
            if held is None:
                raise
            self._progress.step(desired.flow.name, "the registry holds the image all the same")
            return held
        if built.digest is None:
            raise RegistryError(f"BuildKit reported no digest for {desired.reference}")
        return publish(self._yard.registry, desired.reference, built.digest)

    def _held(self, reference: ImageReference) -> PublishedImage | None:
        """The image under the key's tag, whoever pushed it: another ship, or this one whose answer was lost.
        A tag that never moves cannot be pushed again, and has the content that the key names."""
        try:
            return self._yard.registry.find(reference)
        except FlowyardError:
            return None  # the push's own error says more

    def _register(
        self, plan: FlowPlan, desired: Desired, image: PublishedImage
    ) -> tuple[tuple[Registered, ...], Mapping[str, str]]:
        """What was registered, and the task definitions it runs by deployment."""
        yard = self._yard
        marks = Marks(
            project=yard.project.name,
            target=yard.target.name,
            flow=plan.name,
            key=desired.key,
            spec=desired.spec,
            commit=self._commit.sha if self._commit else "",
            repository=str(desired.reference.repository),
            calls=calls_mark(desired),
        )
        description = read_description(yard.registry, image)
        check_image(plan.name, description.prefect, self._server.result() if self._server else None)
        revisions = self._definitions.register(desired, image)
        unit = Unit(yard.target, desired.deployments, image, description, marks, revisions)
        with self._writing() as api:
            record = RecordEntry(api, self._record(desired, image, revisions))
            return register(api, unit, self._base_job_template, plan.live, record), revisions

    @contextmanager
    def _writing(self) -> Iterator[PrefectApi]:
        """One flow at a time, and only while the lease is ours and nobody interrupted the ship."""
        with self._one_at_a_time:
            if self._stopped.is_set():
                raise Unfinished("stopped before anything of it was registered", hint="ship again")
            self._lease.check()
            yield Guarded(self._yard.api, self._lease)

    def _record(self, desired: Desired, image: PublishedImage, revisions: Mapping[str, str]) -> ReleaseRecord:
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
            task_definitions=revisions,
            docker_tasks=desired.pinned,
            inputs=desired.inputs,
        )


def _outcome(ending: Ending[FlowPlan, Outcome]) -> Outcome:
    from flowyard.building.parallel import Done

    if isinstance(ending, Done):
        return ending.value
    return Outcome(ending.item, error=expected(ending.error))
