"""The pipeline: load -> plan -> render -> build -> publish -> register -> report, and who is asked when.

Loading happens before (a `Project` comes in) and reporting after (outcomes go out). What lies between is
`plan_flows`, which decides, and `ship_flow`, which takes one flow through the remaining steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flowyard.building.parallel import Done, Failed, run_parallel
from flowyard.building.workshop import Workshop, build_request
from flowyard.errors import FlowFailed, FlowyardError, OrderError, RegistryError
from flowyard.plan import Action, Desired, FlowPlan, Plan, make_plan
from flowyard.planning.desired import want_all
from flowyard.planning.observe import observe
from flowyard.ports import ContainerRegistry, PrefectApi
from flowyard.publish import publish
from flowyard.register import Registered, Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.registering.description import read_description
from flowyard.releasing.lease import Lease, flow_limit, hold
from flowyard.releasing.order import Commit, History, refused
from flowyard.releasing.records import ReleaseRecord, append, move_head, read_head
from flowyard.report import Outcome
from flowyard.values import Flow, Json, Project, PublishedImage, Target
from flowyard.work_pools.ensure import ensure_work_pool


@dataclass(frozen=True, slots=True)
class Yard:
    """All that shipping to one target needs of the outside world."""

    workshop: Workshop
    api: PrefectApi
    registry: ContainerRegistry
    history: History
    user: str
    jobs: int

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


def ship(
    yard: Yard, flows: Sequence[Flow], *, build: bool = True, whole: bool = False
) -> tuple[Outcome, ...]:
    """Ship the flows; one flow's failure does not keep the others from being shipped.

    Without `build` only images that exist are registered. `whole` says that all flows are meant, whichever
    they are, so what belongs to a folder that is gone is removed. Raises FlowyardError only for what concerns all
    of them, before anything was changed.
    """
    plan = plan_flows(yard, flows, whole=whole)
    commit = yard.workshop.commit([flow.folder for flow in flows])
    if not plan.changes:
        _note_head(yard, plan.flows, commit)
        return tuple(Outcome(flow, flow.image) for flow in plan.flows)
    with _lease(yard, plan) as lease:
        plan = plan_flows(yard, flows, whole=whole)  # once more: another ship may have ended meanwhile
        blocked = {**_out_of_order(yard, plan, commit), **_not_leased(yard, plan, lease)}
        shipment = Shipment(yard, commit, ensure_work_pool(yard.api, yard.target), lease, build=build)
        ready = [flow for flow in plan.flows if flow.name not in blocked]
        done = run_parallel(ready, shipment.ship_flow, yard.jobs, yard.workshop.stop)
        shipped = [one.value if isinstance(one, Done) else _failed(one) for one in done]
        _note_head(yard, [outcome.plan for outcome in shipped if outcome.error is None], commit)
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

    def ship_flow(self, plan: FlowPlan) -> Outcome:
        """The steps of one flow. Raises FlowyardError; nothing is registered then."""
        if plan.action is Action.REMOVE:
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
        request = build_request(workshop, desired, self._commit, push=True)
        built = workshop.builder.build(request)
        if built.digest is None:
            raise RegistryError(f"BuildKit reported no digest for {request.reference}")
        return publish(self._yard.registry, request.reference, built.digest)

    def _register(self, plan: FlowPlan, desired: Desired, image: PublishedImage) -> tuple[Registered, ...]:
        yard = self._yard
        self._progress.step(plan.name, "registering")
        sha = self._commit.sha if self._commit else ""
        marks = Marks(yard.project.name, yard.target.name, plan.name, desired.key, desired.spec, sha)
        description = read_description(yard.registry, image)
        unit = Unit(yard.target, desired.deployments, image, description, marks)
        with self._one_at_a_time:
            self._lease.check()
            registered = register(yard.api, unit, self._base_job_template, plan.live)
            append(yard.api, self._record(desired, image, registered))
        return registered

    def _record(
        self, desired: Desired, image: PublishedImage, registered: tuple[Registered, ...]
    ) -> ReleaseRecord:
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
            deployments=tuple(item.name for item in registered),
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
    heads = {flow.name: head.commits.get(flow.name) for flow in plan.changes}
    return refused(heads, commit.sha if commit else None, yard.history)


def _note_head(yard: Yard, flows: Sequence[FlowPlan], commit: Commit | None) -> None:
    """Move the target's head, also for what was not rebuilt: it is now known to be at this commit."""
    shipped = [flow.name for flow in flows if flow.desired is not None and flow.desired.deployments]
    head = read_head(yard.api, yard.project.name, yard.target.name)
    sha = commit.sha if commit else None
    # Where the order does not count, the head simply is what was shipped last.
    history = None if yard.target.order == "none" else yard.history
    move_head(yard.api, head, dict.fromkeys(shipped, sha), history)


def _failed(failure: Failed[FlowPlan]) -> Outcome:
    if isinstance(failure.error, FlowyardError):
        return Outcome(failure.item, error=failure.error)
    raise failure.error
