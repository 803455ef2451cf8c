"""What shipping came to, flow by flow.

Values that the steps fill and the report reads, so neither has to load the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowyard.errors import FlowyardError
from flowyard.images import PublishedImage
from flowyard.plan import Action, FlowPlan


@dataclass(frozen=True, slots=True)
class Registered:
    """A deployment as it stands in Prefect: its id and its full name, `flow name/deployment name`."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What shipping one flow came to. `error` is None when it went well; `notes` say what else to know."""

    plan: FlowPlan
    image: PublishedImage | None = None
    deployments: tuple[Registered, ...] = ()
    error: FlowyardError | None = None
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything happened to the flow, or should have."""
        return self.error is not None or self.plan.action is not Action.UNCHANGED
