"""One flow through the steps of a ship: check -> build -> publish -> register.

Apart from pipeline.py, which decides whether there is anything to do: a ship with nothing to do is most ships,
and does not load what follows.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.building.pace import Pace
from flowyard.building.workshop import build_image
from flowyard.errors import FlowFailed, FlowyardError, PushFailed, RegistryError
from flowyard.images import ImageReference, PublishedImage, published
from flowyard.outcome import Outcome
from flowyard.plan import Action, Desired, FlowPlan
from flowyard.program import PROGRAM
from flowyard.publish import publish
from flowyard.releasing.order import Commit
from flowyard.shipping.registrar import Registrar
from flowyard.stubs.files import StubFiles
from flowyard.stubs.refresh import refresh_stubs
from flowyard.yard import Yard


class Shipment:
    """The steps of a flow, for the flows of one ship. What is registered, `registrar` registers."""

    def __init__(self, yard: Yard, commit: Commit | None, registrar: Registrar, *, build: bool) -> None:
        self.registrar = registrar
        self._yard = yard
        self._commit = commit
        self._build = build
        self._stubs = StubFiles(yard.project.root)
        self._current: set[str] = set()  # flows whose deployed image is of the code that is here

    @property
    def pace(self) -> Pace:
        """How the flows are gone through."""
        return self._yard.pace

    def stop(self) -> None:
        """End the builds that run, and register nothing more."""
        self.registrar.stop()
        self._yard.workshop.stop()

    def keep(self, plan: FlowPlan) -> Outcome:
        """Leave an unchanged flow as it is; those that call it may rely on its image."""
        self._current.add(plan.name)
        return Outcome(plan, plan.image)

    def ship_flow(self, plan: FlowPlan) -> Outcome:
        """The steps of one flow that changes. Raises FlowyardError; nothing is registered then."""
        progress = self._yard.workshop.progress
        if plan.action is Action.REMOVE:
            notes = self.registrar.remove(plan)
            progress.done(plan.name, "removed")
            return Outcome(plan, plan.image, notes=notes)
        desired = plan.desired
        if desired is None:  # never a reason to take its deployments away
            raise ValueError(f"the plan says {plan.action} of {plan.name}, and not what is wanted of it")
        notes = self.registrar.check(desired)
        image = plan.image or self._publish(desired)
        progress.step(plan.name, "registering")
        written = self.registrar.write(plan, desired, image)
        notes += written.notes + self._refresh_stubs(plan.name, image, written.pinned)
        progress.done(plan.name, "registered " + ", ".join(item.name for item in written.deployments))
        return Outcome(plan, image, written.deployments, notes=notes)

    def _publish(self, desired: Desired) -> PublishedImage:
        """The image, built and pushed in one step, and confirmed by the registry."""
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
            workshop.progress.step(desired.flow.name, "the registry holds the image all the same")
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

    def _refresh_stubs(self, name: str, image: PublishedImage, pinned: Mapping[str, str]) -> tuple[str, ...]:
        """The types of a flow that was shipped, and of those it calls, as their images tell them."""
        self._current.add(name)
        called = {task: published(text) if task in self._current else None for task, text in pinned.items()}
        images = {**called, name: image}
        return refresh_stubs(self._stubs, self._yard.project, self._yard.registry, name, images)
