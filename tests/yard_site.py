"""A project with fakes all around it, shipped again and again: what the tests of the pipeline stand on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowyard.adapters.terminal import SilentProgress
from flowyard.building.pace import Pace
from flowyard.building.workshop import Workshop
from flowyard.load import load
from flowyard.outcome import Outcome
from flowyard.pipeline import plan_flows, ship
from flowyard.plan import Action, Plan
from flowyard.planning.render_memo import RenderMemo
from flowyard.releasing.holder import Holder
from flowyard.releasing.order import Commit, Relation
from flowyard.releasing.records import read_head
from flowyard.render import Renderer
from flowyard.values import ImageDescription, Json
from flowyard.yard import EcsSide, Yard
from tests.fakes import FakeContainerRegistry
from tests.fakes_aws import FakeSecrets, FakeTaskDefinitions
from tests.fakes_builder import FakeBuilder
from tests.fakes_server import FakeServer
from tests.fakes_time import FakeClock
from tests.support import Described, target_of

# All sites have the same templates; rendering them for each took half of the time of these tests.
RENDERED = tempfile.TemporaryDirectory(prefix="flowyard-rendered-")
FIRST, SECOND = "1" * 40, "2" * 40


class Linear:
    """A history in which SECOND comes after FIRST."""

    def relation(self, ours: str, head: str) -> Relation:
        """As History.relation."""
        return "same" if ours == head else "descendant" if ours > head else "ancestor"


def described(flow: str) -> ImageDescription:
    """What the image of a flow says about itself."""
    return Described({"day": {"type": "string"}}, flow).image()


@dataclass
class Site:
    """A project with its fakes; everything but the files stays from ship to ship."""

    root: Path
    server: FakeServer = field(default_factory=FakeServer)
    registry: FakeContainerRegistry = field(default_factory=FakeContainerRegistry)
    commit: str | None = FIRST
    renderer: Renderer = field(default_factory=lambda: RenderMemo(Path(RENDERED.name)))
    clock: FakeClock = field(default_factory=FakeClock)
    definitions: FakeTaskDefinitions = field(default_factory=FakeTaskDefinitions)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    signatures: dict[str, Json] = field(default_factory=dict)  # what images say of how their flow is called

    def __post_init__(self) -> None:
        self.builder = FakeBuilder(self.registry, self._described)

    def _described(self, flow: str) -> ImageDescription:
        image = described(flow)
        signature = self.signatures.get(flow)
        return replace(image, flows=tuple(replace(one, signature=signature) for one in image.flows))

    def yard(self) -> Yard:
        project = load(self.root)
        workshop = Workshop(
            project=project,
            target=target_of(project),
            render=self.renderer,
            builder=self.builder,
            stop=lambda: None,
            progress=SilentProgress(),
            commit=lambda paths: None if self.commit is None else Commit(self.commit, dirty=False),
            contexts=self.root / ".flowyard/contexts",
        )
        ecs = EcsSide(self.definitions, self.secrets)
        return Yard(
            workshop,
            self.server,
            self.registry,
            self.registry,
            Linear(),
            "ada",
            Pace(2),
            Holder(self.clock),
            ecs if workshop.target.ecs else None,
        )

    def ship(self, *names: str, build: bool = True) -> dict[str, Outcome]:
        yard = self.yard()
        flows = [flow for flow in yard.project.flows if not names or flow.name in names]
        return {outcome.plan.name: outcome for outcome in ship(yard, flows, build=build, whole=not names)}

    def plan(self) -> Plan:
        yard = self.yard()
        return plan_flows(yard, yard.project.flows, whole=True)

    def actions(self) -> dict[str, Action]:
        return {flow.name: flow.action for flow in self.plan().flows}

    def built(self) -> list[str]:
        return sorted(request.flow for request in self.builder.requests)

    def heads(self) -> dict[str, str | None]:
        return dict(read_head(self.server, "acme", "local").commits)
