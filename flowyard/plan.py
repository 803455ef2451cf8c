"""Step 3, plan: what would happen to each flow, and why.

Pure: the configuration and what was observed go in, a `Plan` comes out. Nothing is built to find it out and
no git diff is asked: what is deployed is what is compared, so an interrupted ship loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flowyard.images import ImageReference, PublishedImage
from flowyard.inputs import Inputs
from flowyard.planning.context import ContextFile
from flowyard.planning.key import differences
from flowyard.registering.live import Live, LiveDeployment
from flowyard.target import is_ecr
from flowyard.values import DeploymentSpec, Flow


class Action(StrEnum):
    """What shipping does to one flow."""

    UNCHANGED = "unchanged"
    BUILD = "build"
    REUSE = "reuse image"
    REGISTER = "register"
    REMOVE = "remove"

    @property
    def sign(self) -> str:
        """What stands before such a flow where people read a plan."""
        return _SIGNS[self]


_SIGNS = {
    Action.UNCHANGED: "=",
    Action.BUILD: "+",
    Action.REUSE: "+",
    Action.REGISTER: "~",
    Action.REMOVE: "-",
}


@dataclass(frozen=True, slots=True)
class Desired:
    """One flow as the files want it on a target: its key, its inputs, and where its image goes.

    `files` are the build context as it was hashed, all but the `dockerfile`. `docker_tasks` are the flows it calls,
    `pinned` the images of them that it calls, once that is known.
    """

    flow: Flow
    deployments: tuple[DeploymentSpec, ...]
    key: str
    spec: str
    inputs: Inputs
    reference: ImageReference
    files: tuple[ContextFile, ...] = ()
    dockerfile: str = ""
    notes: tuple[str, ...] = ()
    docker_tasks: tuple[str, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there: the project's deployments on the target by flow; the inputs of the last release of the flows
    that changed; and the images of tags the container registry holds."""

    deployments: Live = field(default_factory=dict)
    released: Mapping[str, Inputs] = field(default_factory=dict)
    held: Mapping[ImageReference, PublishedImage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What would happen to one flow. `image` is set where the image exists already; `released` are the inputs of
    the one that is deployed, where another is to be built."""

    name: str
    action: Action
    reasons: tuple[str, ...]
    desired: Desired | None = None
    image: PublishedImage | None = None
    live: tuple[LiveDeployment, ...] = ()
    released: Inputs = field(default_factory=Inputs)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen on one target, flow by flow."""

    target: str
    flows: tuple[FlowPlan, ...]

    @property
    def changes(self) -> tuple[FlowPlan, ...]:
        """The flows that something would happen to."""
        return tuple(flow for flow in self.flows if flow.action is not Action.UNCHANGED)


def make_plan(target: str, desired: Iterable[Desired], observed: Observed, *, whole: bool) -> Plan:
    """The plan for these flows. `whole` says that they are all flows there are: then deployments of folders
    that are gone are removed."""
    flows = [plan_flow(wanted, observed) for wanted in desired]
    known = {flow.name for flow in flows}
    gone = sorted(observed.deployments.keys() - known) if whole else []
    flows += [
        FlowPlan(name, Action.REMOVE, (f"flows/{name} is gone",), live=observed.deployments[name])
        for name in gone
    ]
    return Plan(target, tuple(flows))


def plan_flow(desired: Desired, observed: Observed) -> FlowPlan:
    """What would happen to one flow."""
    live = observed.deployments.get(desired.flow.name, ())
    image = deployed_image(desired, live)
    if not desired.deployments:
        reasons: tuple[str, ...] = ("no deployment on this target",)
        if live:  # whatever else has changed, nothing here needs an image any more
            return FlowPlan(desired.flow.name, Action.REMOVE, reasons, live=live)
        return FlowPlan(desired.flow.name, Action.UNCHANGED, reasons, desired)
    if image is not None:
        reasons = tuple(_registration_reasons(desired, live, observed))
        action = Action.REGISTER if reasons else Action.UNCHANGED
        return FlowPlan(desired.flow.name, action, reasons, desired, image, live)
    reasons = _image_reasons(desired, live, observed)
    image = observed.held.get(desired.reference)
    if image is None:
        released = observed.released.get(desired.flow.name, Inputs())
        return FlowPlan(desired.flow.name, Action.BUILD, reasons, desired, None, live, released)
    return FlowPlan(desired.flow.name, Action.REUSE, reasons, desired, image, live)


def deployed_image(desired: Desired, live: Iterable[LiveDeployment]) -> PublishedImage | None:
    """The image of our key in the right repository that a live deployment was registered with, if any."""
    wanted = desired.reference.repository
    for deployment in live:
        marks = deployment.marks
        if marks.key != desired.key or marks.repository not in ("", str(wanted)):
            continue
        image = deployment.registered_image
        if image is None:
            continue  # the container registry is asked for it then
        if image.repository == wanted or (is_ecr(wanted.host) and image.repository.path == wanted.path):
            return image
    return None


def _image_reasons(desired: Desired, live: tuple[LiveDeployment, ...], observed: Observed) -> tuple[str, ...]:
    if not live:
        return ("not deployed yet",)
    released = observed.released.get(desired.flow.name)
    if released is None:
        return ("the release record is gone: what has changed is not known",)
    moved = tuple(_moved(desired, live))
    return differences(released, desired.inputs) or moved or ("the deployed image is another one",)


def _moved(desired: Desired, live: Iterable[LiveDeployment]) -> Iterable[str]:
    repositories = {_repository(item) for item in live}
    wanted = str(desired.reference.repository)
    for repository in sorted(repositories - {wanted}):
        yield f"repository changed from {repository} to {wanted}"


def _repository(live: LiveDeployment) -> str:
    """Where the image of a deployment lies, in the words of the files. Older deployments say the image only."""
    return live.marks.repository or (live.image or "").partition("@")[0]


def _registration_reasons(
    desired: Desired, live: tuple[LiveDeployment, ...], observed: Observed
) -> Iterable[str]:
    by_name = {item.name: item for item in live}
    wanted = {deployment.name for deployment in desired.deployments}
    reasons = [f"deployment {name} added" for name in sorted(wanted - by_name.keys())]
    reasons += [f"deployment {name} removed" for name in sorted(by_name.keys() - wanted)]
    stale = [name for name in sorted(wanted & by_name.keys()) if not _is_current(by_name[name], desired)]
    touched = [name for name in sorted(wanted & by_name.keys()) if by_name[name].is_touched]
    if stale and not reasons:
        released = observed.released.get(desired.flow.name)
        found = differences(released, desired.inputs) if released is not None else ()
        reasons += found or tuple(f"deployment {name} is out of date" for name in stale)
    return [*reasons, *(f"deployment {name} was changed outside of Flowyard" for name in touched)]


def _is_current(live: LiveDeployment, desired: Desired) -> bool:
    return (live.marks.key, live.marks.spec) == (desired.key, desired.spec)
