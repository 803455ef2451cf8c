"""What a ship registers of a flow: pins, task definitions, deployments and the release record; at the end the head.

In one place, because all of it stands under the ship's lease: Prefect is written to for one flow at a time, and no more
once the lease is lost or the ship was interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flowyard.ahead import ahead
from flowyard.errors import FlowyardError, Unfinished
from flowyard.images import PublishedImage
from flowyard.outcome import Outcome, Registered
from flowyard.plan import Desired, FlowPlan
from flowyard.planning.docker_tasks import calls_mark
from flowyard.ports import PrefectApi
from flowyard.register import Unit, register, remove
from flowyard.registering.deployment import Marks
from flowyard.registering.description import read_description
from flowyard.registering.pruning import Pins
from flowyard.registering.task_definitions import DefinitionSteps
from flowyard.registering.versions import check_image, server_version
from flowyard.releasing.lease import Guarded, Lease
from flowyard.releasing.order import Commit
from flowyard.releasing.record_entry import RecordEntry
from flowyard.releasing.records import ReleaseRecord
from flowyard.shipping.heads import note_head
from flowyard.shipping.pinning import Pinning
from flowyard.work_pools.ensure import WorkPool, ensure_work_pool
from flowyard.yard import Yard


@dataclass(frozen=True, slots=True)
class Written:
    """What was written for one flow. `pinned` are the images of the Docker tasks it calls."""

    deployments: tuple[Registered, ...]
    pinned: Mapping[str, str]
    notes: tuple[str, ...]


class Registrar:
    """Writes for one ship."""

    def __init__(self, yard: Yard, commit: Commit | None, pool: WorkPool | None, lease: Lease) -> None:
        self._yard = yard
        self._commit = commit
        self._lease = lease
        self._pool = pool
        self._definitions = DefinitionSteps(
            side=yard.ecs, target=yard.target, project=yard.project.name, pool=pool.id if pool else ""
        )
        self._pinning = Pinning(Pins(yard.api, yard.project.name, yard.target.name), yard.holder)
        self._server = ahead(lambda: server_version(yard.api)) if pool else None
        self._one_at_a_time = threading.Lock()  # parallel writes are slower, and on SQLite collide
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Write nothing more of any flow."""
        self._stopped.set()

    def check(self, desired: Desired) -> tuple[str, ...]:
        """What to note about a flow before it is built. Raises FlowyardError where it could not be registered."""
        return self._definitions.check(desired)

    def write(self, plan: FlowPlan, desired: Desired, image: PublishedImage) -> Written:
        """Register the flow's deployments on this image.

        Raises FlowyardError; the deployments are then as they were, and what nothing names may be left: a pin, a task
        definition.
        """
        self._ensure_pool()
        with self._pinning.held(desired):
            if desired.docker_tasks:
                with self._writing() as api:
                    desired = self._pinning.ensured(api, desired)
            registered, revisions = self._register(plan, desired, image)
        names = sorted({*revisions, *(live.name for live in plan.live)})
        notes = self._definitions.retire(self._yard.api, plan.name, names, revisions.values())
        return Written(registered, desired.pinned, notes)

    def remove(self, plan: FlowPlan) -> tuple[str, ...]:
        """Remove the deployments of a flow that is gone; what to note of that. Raises FlowyardError."""
        with self._writing() as api:
            remove(api, plan.live)
        names = sorted(live.name for live in plan.live)
        return self._definitions.retire(self._yard.api, plan.name, names)

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

    def _ensure_pool(self) -> None:
        """Make the work pool where there is none, now that something is registered in it."""
        if self._pool is None or not self._pool.id:
            with self._writing() as api:
                self._pool = ensure_work_pool(api, self._yard.target, self._pool)
                self._definitions = replace(self._definitions, pool=self._pool.id)

    def _register(
        self, plan: FlowPlan, desired: Desired, image: PublishedImage
    ) -> tuple[tuple[Registered, ...], Mapping[str, str]]:
        """What was registered, and the task definitions it runs by deployment."""
        yard = self._yard
        description = read_description(yard.registry, image)
        check_image(plan.name, description.prefect, self._server.result() if self._server else None)
        revisions = self._definitions.register(desired, image)
        unit = Unit(yard.target, desired.deployments, image, description, self._marks(desired), revisions)
        with self._writing() as api:
            record = RecordEntry(api, self._record(desired, image, revisions))
            template = self._pool.base_job_template if self._pool else {}
            return register(api, unit, template, plan.live, record), revisions

    @contextmanager
    def _writing(self) -> Iterator[PrefectApi]:
        """One flow at a time, and only while the lease is ours and nobody interrupted the ship."""
        with self._one_at_a_time:
            if self._stopped.is_set():
                raise Unfinished("stopped before anything of it was registered", hint="ship again")
            self._lease.check()
            yield Guarded(self._yard.api, self._lease)

    def _marks(self, desired: Desired) -> Marks:
        return Marks(
            project=self._yard.project.name,
            target=self._yard.target.name,
            flow=desired.flow.name,
            key=desired.key,
            spec=desired.spec,
            commit=self._commit.sha if self._commit else "",
            repository=str(desired.reference.repository),
            calls=calls_mark(desired),
        )

    def _record(self, desired: Desired, image: PublishedImage, revisions: Mapping[str, str]) -> ReleaseRecord:
        return ReleaseRecord(
            project=self._yard.project.name,
            target=self._yard.target.name,
            flow=desired.flow.name,
            key=desired.key,
            spec=desired.spec,
            image=str(image),
            commit=self._commit.sha if self._commit else None,
            dirty=self._commit.dirty if self._commit else False,
            deployments=(),  # their full names are known when they are registered
            shipped_by=self._yard.user,
            task_definitions=revisions,
            pinned=desired.pinned,
            inputs=desired.inputs,
        )
