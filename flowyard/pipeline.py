"""The pipeline: load -> plan -> render -> build -> publish -> register -> report, and who is asked when.

Loading happens before (a `Project` comes in) and reporting after (outcomes go out). What lies between is
`plan_flows`, which decides, and `ship_flow`, which takes one flow through the remaining steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowyard.building.workshop import Workshop, build_image, sources
from flowyard.errors import (
    ConfigurationError,
    FlowFailed,
    FlowyardError,
    OrderError,
    PrefectError,
    RegistryError,
    expected,
)
from flowyard.plan import Action, Desired, FlowPlan, Plan, make_plan
from flowyard.planning.desired import want_all
from flowyard.planning.observe import observe
from flowyard.ports import ContainerRegistry, PrefectApi
from flowyard.publish import publish
from flowyard.register import Registered, Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.registering.description import read_description
from flowyard.releasing.entry import RecordEntry
from flowyard.releasing.lease import Lease, flow_limit, hold
from flowyard.releasing.order import Commit, History, refused
from flowyard.releasing.records import ReleaseRecord, move_head, read_head
from flowyard.report import Outcome
from flowyard.values import Flow, Json, Project, PublishedImage, Target
from flowyard.work_pools.ensure import ensure_work_pool, foreseen_template

if TYPE_CHECKING:
    from flowyard.building.parallel import Failed


@dataclass(frozen=True, slots=True)
class Yard:
    """All that shipping to one target needs of the outside world."""

    workshop: Workshop
    api: PrefectApi
    registry: ContainerRegistry
    history: History
    user: str
    jobs: int | None  # images built at once; None: as many as there are cores, at most four

    @property
    def project(self) -> Project:
        """The project that is shipped."""
        return self.workshop.project

    @property
    def target(self) -> Target:
        """The target it is shipped to."""
        return self.workshop.target


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
    they are, so what belongs to a folder that is gone is removed. Raises FlowyardError only for what concerns all
    of them, before anything was changed.
    """
    plan = plan_flows(yard, flows, whole=whole)
    commit = yard.workshop.commit(sources(flows))
    if not plan.changes:
        _note_head(yard, plan.flows, commit)
        return tuple(Outcome(flow, flow.image) for flow in plan.flows)
    from flowyard.building.parallel import Done, run_parallel
    from flowyard.planning.foresee import misfits

    with _lease(yard, plan) as lease:
        plan = plan_flows(yard, flows, whole=whole)  # once more: another ship may have ended meanwhile
        template = ensure_work_pool(yard.api, yard.target)
        blocked: Mapping[str, FlowyardError] = {
            **misfits(plan, yard.target, template),
            **_out_of_order(yard, plan, commit),
            **_not_leased(yard, plan, lease),
        }
        shipment = Shipment(yard, commit, template, lease, build=build)
        ready = [flow for flow in plan.flows if flow.name not in blocked]
        done = run_parallel(ready, shipment.ship_flow, yard.jobs, shipment.stop)
        shipped = [one.value if isinstance(one, Done) else _failed(one) for one in done]
        shipped = _with_head(yard, shipped, commit)
    return (
        *shipped,
        *(Outcome(flow, error=blocked[flow.name]) for flow in plan.flows if flow.name in blocked),
    )


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

    def stop(self) -> None:
        """End the builds that run, and register nothing more."""
        self._stopped.set()
        self._yard.workshop.stop()

    def ship_flow(self, plan: FlowPlan) -> Outcome:
        """The steps of one flow. Raises FlowyardError; nothing is registered then."""
        if plan.action is Action.REMOVE:
            with self._writing():
                remove(self._yard.api, plan.live)
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
        unit = Unit(yard.target, desired.deployments, image, description, marks)
        record = RecordEntry(yard.api, self._record(desired, image))
        with self._writing():
            return register(yard.api, unit, self._base_job_template, plan.live, record)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One flow at a time, and only while the lease is ours and nobody interrupted the ship."""
        with self._one_at_a_time:
            if self._stopped.is_set():
                raise FlowFailed("interrupted before anything of it was registered", hint="ship again")
            self._lease.check()
            yield

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


@contextmanager
def _lease(yard: Yard, plan: Plan) -> Iterator[Lease]:
    names = [flow_limit(yard.project.name, yard.target.name, flow.name) for flow in plan.changes]
    with hold(yard.api, names) as lease:
        yield lease


def _not_leased(yard: Yard, plan: Plan, lease: Lease) -> Mapping[str, OrderError]:
    """Flows that only came to be changed after the lease was taken: another ship may be at them."""
    return {
        flow.name: OrderError(f"flows/{flow.name} changed while this ship began", hint="ship again")
        for flow in plan.changes
        if flow_limit(yard.project.name, yard.target.name, flow.name) not in lease.names
    }


def _out_of_order(yard: Yard, plan: Plan, commit: Commit | None) -> Mapping[str, OrderError]:
    if yard.target.order == "none":
        return {}
    head = read_head(yard.api, yard.project.name, yard.target.name)
    sha = commit.sha if commit else None
    heads = {flow.name: head.commits.get(flow.name) for flow in plan.changes}
    # A ship that was killed has registered flows and not moved the head: what is live counts as well.
    errors: dict[str, OrderError] = {}
    for flow in plan.changes:
        for live in _live_commits(flow):
            errors |= refused({flow.name: live}, sha, yard.history)
    return errors | dict(refused(heads, sha, yard.history))


def _live_commits(flow: FlowPlan) -> set[str]:
    marks = [Marks.of(deployment) for deployment in flow.live]
    return {mark.commit for mark in marks if mark is not None and mark.commit}


def _with_head(yard: Yard, outcomes: list[Outcome], commit: Commit | None) -> list[Outcome]:
    """Move the head for what went well. When that fails, the flows are registered and say so."""
    shipped = [outcome for outcome in outcomes if outcome.error is None]
    try:
        _note_head(yard, [outcome.plan for outcome in shipped], commit)
    except FlowyardError as error:
        late = PrefectError(
            f"shipped, but the target's head was not moved: {error.message}", hint="ship again"
        )
        return [replace(one, error=late) if one in shipped else one for one in outcomes]
    return outcomes


def _note_head(yard: Yard, flows: Sequence[FlowPlan], commit: Commit | None) -> None:
    """Move the target's head, also for what was not rebuilt: it is now known to be at this commit."""
    shipped = [
        flow.name
        for flow in flows
        if flow.action is Action.REMOVE or (flow.desired is not None and flow.desired.deployments)
    ]
    head = read_head(yard.api, yard.project.name, yard.target.name)
    sha = commit.sha if commit else None
    # Where the order does not count, the head simply is what was shipped last.
    history = None if yard.target.order == "none" else yard.history
    move_head(yard.api, head, dict.fromkeys(shipped, sha), history)


def _failed(failure: Failed[FlowPlan]) -> Outcome:
    return Outcome(failure.item, error=expected(failure.error))
