"""What a command did, or would do, in one form for every verb: summaries, annotations and outputs are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowyard.documents import error_entry
from flowyard.errors import FlowyardError, Unfinished
from flowyard.locking.locks import installed_locks
from flowyard.outcome import Outcome, Registered
from flowyard.plan import Action, FlowPlan, Plan
from flowyard.values import Json

if TYPE_CHECKING:
    from flowyard.building.workshop import BuildOutcome

BUILT = "built"


@dataclass(frozen=True, slots=True)
class FlowAccount:
    """One flow: what was done, or would be, and why. `deployments` are those that were registered, `calls` the flows
    it calls as Docker tasks; flows with the same `layer` have the same dependencies, and so a layer in common."""

    flow: str
    action: str
    reasons: tuple[str, ...] = ()
    image: str | None = None
    deployments: tuple[Registered, ...] = ()
    notes: tuple[str, ...] = ()
    error: FlowyardError | None = None
    calls: tuple[str, ...] = ()
    layer: str = ""
    key: str | None = None

    @property
    def changed(self) -> bool:
        """Whether anything was done to it, or would be."""
        return self.action != Action.UNCHANGED.value

    @property
    def builds(self) -> bool:
        """Whether its image was built, or would be."""
        return self.action in (Action.BUILD.value, BUILT)

    @property
    def sign(self) -> str:
        """What stands before it where people read a list of flows."""
        return (Action.BUILD if self.builds else Action(self.action)).sign


def flow_entry(flow: FlowAccount) -> dict[str, Json]:
    """The flow as `plan --json`, `ship --json` and the document in a report page have it."""
    return {
        "flow": flow.flow,
        "action": flow.action,
        "reasons": list(flow.reasons),
        "key": flow.key,
        "image": flow.image,
        "notes": list(flow.notes),
        "deployments": [{"id": item.id, "name": item.name} for item in flow.deployments],
        "error": error_entry(flow.error),
        "calls": list(flow.calls),
    }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many flows came to what; those that are unfinished do not count as failed, nor removed ones as changed."""

    changed: int
    removed: int
    unchanged: int
    failed: int
    unfinished: int


@dataclass(frozen=True, slots=True)
class Account:
    """What a verb came to on a target. `error` ended the whole command, before or beside the flows."""

    verb: str
    target: str
    flows: tuple[FlowAccount, ...] = ()
    error: FlowyardError | None = None

    @property
    def changes(self) -> tuple[FlowAccount, ...]:
        """The flows to which something was done, or would be, without an error."""
        return tuple(flow for flow in self.flows if flow.changed and flow.error is None)

    @property
    def unchanged(self) -> tuple[FlowAccount, ...]:
        """The flows with which all is as it should be."""
        return tuple(flow for flow in self.flows if not flow.changed and flow.error is None)

    @property
    def failed(self) -> tuple[FlowAccount, ...]:
        """The flows that have an error."""
        return tuple(flow for flow in self.flows if flow.error is not None)

    @property
    def unfinished(self) -> tuple[FlowAccount, ...]:
        """Those of the failed that were not begun, or ended early, for no failure of their own."""
        return tuple(flow for flow in self.failed if isinstance(flow.error, Unfinished))

    @property
    def counts(self) -> Counts:
        """How many flows came to what."""
        unfinished = len(self.unfinished)
        removed = sum(flow.action == Action.REMOVE.value for flow in self.changes)
        failed = len(self.failed) - unfinished
        return Counts(len(self.changes) - removed, removed, len(self.unchanged), failed, unfinished)

    @property
    def summary(self) -> str:
        """The counts in words."""
        counts = self.counts
        if self.verb == "plan":
            return f"{len(self.changes)} of {len(self.flows)} flows would change"
        done = "built" if self.verb == "build" else "shipped"
        parts = [f"{counts.changed} {done}", f"{counts.unchanged} unchanged", f"{counts.failed} failed"]
        parts += [f"{counts.removed} removed"] if counts.removed else []
        parts += [f"{counts.unfinished} not begun or stopped"] if counts.unfinished else []
        return ", ".join(parts)


def of_plan(plan: Plan) -> Account:
    """The account of a plan."""
    return Account("plan", plan.target, tuple(_planned(flow) for flow in plan.flows))


def of_ship(
    verb: str, target: str, outcomes: Iterable[Outcome], error: FlowyardError | None = None
) -> Account:
    """The account of a ship, or of `register`."""
    return Account(verb, target, tuple(_shipped(outcome) for outcome in outcomes), error)


def of_build(target: str, outcomes: Iterable[BuildOutcome]) -> Account:
    """The account of a build."""
    return Account("build", target, tuple(_built(outcome) for outcome in outcomes))


def _planned(flow: FlowPlan) -> FlowAccount:
    desired = flow.desired
    return FlowAccount(
        flow.name,
        flow.action.value,
        reasons=flow.reasons,
        image=str(flow.image) if flow.image else None,
        notes=desired.notes if desired else (),
        calls=desired.docker_tasks if desired else (),
        layer=" ".join(installed_locks(desired.inputs.image)) if desired else "",
        key=desired.key if desired else None,
    )


def _shipped(outcome: Outcome) -> FlowAccount:
    planned = _planned(outcome.plan)
    return replace(
        planned,
        image=str(outcome.image) if outcome.image else None,
        deployments=outcome.deployments,
        notes=(*planned.notes, *outcome.notes),
        error=outcome.error,
    )


def _built(outcome: BuildOutcome) -> FlowAccount:
    reference = outcome.built.reference if outcome.built else None
    return FlowAccount(
        outcome.flow,
        BUILT,
        image=str(reference) if reference else None,
        error=outcome.error,
        key=reference.tag if reference else None,
    )
