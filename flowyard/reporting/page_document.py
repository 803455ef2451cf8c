"""What a report page shows, as one JSON document with a version: the page has it inside, for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from flowyard.building.timeline import StepTime
from flowyard.documents import PAGE_VERSION
from flowyard.images import Layer
from flowyard.reporting.account import Account, flow_entry
from flowyard.values import Json

_OWN = ("[internal]", "[auth]", "load ", "resolve ", "preparing ", "docker-image:")  # BuildKit's own steps


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a command beside its outcome: when it ran, the steps of builds, the layers of images."""

    project: str
    began: float
    seconds: float
    steps: Mapping[str, Sequence[StepTime]] = field(default_factory=dict)
    layers: Mapping[str, Sequence[Layer]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def document(account: Account, seen: Seen) -> dict[str, Json]:
    """The document. Times of steps are seconds after the first step of all builds began."""
    begins = [step.began for steps in seen.steps.values() for step in steps]
    origin = min(begins, default=0.0)
    flows = [
        {
            **flow_entry(flow),
            "steps": [_step(step, origin) for step in seen.steps.get(flow.flow, ()) if _is_shown(step)],
            "layers": [asdict(layer) for layer in seen.layers.get(flow.flow, ())],
        }
        for flow in account.flows
    ]
    return {
        "version": PAGE_VERSION,
        "verb": account.verb,
        "project": seen.project,
        "target": account.target,
        "began": seen.began,
        "seconds": round(seen.seconds, 3),
        "notes": list(seen.notes),
        "counts": asdict(account.counts),
        "flows": flows,
    }


def _is_shown(step: StepTime) -> bool:
    return not step.name.startswith(_OWN) and "] FROM " not in step.name


def _step(step: StepTime, origin: float) -> dict[str, Json]:
    return {
        "name": step.name,
        "state": step.state,
        "began": round(step.began - origin, 3),
        "seconds": round(step.seconds, 3),
    }
