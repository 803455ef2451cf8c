"""All that shipping to one target needs of the outside world, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowyard.building.pace import ONE_BY_ONE, Pace
from flowyard.building.workshop import Workshop
from flowyard.ports import (
    ContainerRegistry,
    DefinitionStore,
    PrefectApi,
    Repositories,
    SecretStore,
)
from flowyard.releasing.holder import Holder
from flowyard.releasing.order import History
from flowyard.target import Target
from flowyard.values import Project


@dataclass(frozen=True, slots=True)
class EcsSide:
    """What shipping to a work pool needs whose tasks are defined before they run."""

    definitions: DefinitionStore
    secrets: SecretStore


@dataclass(frozen=True, slots=True)
class Yard:
    """All that shipping to one target needs of the outside world. `ecs` is None where runs are no tasks of ECS."""

    workshop: Workshop
    api: PrefectApi
    registry: ContainerRegistry
    repositories: Repositories
    history: History
    user: str
    pace: Pace = ONE_BY_ONE
    holder: Holder = field(default_factory=Holder)
    ecs: EcsSide | None = None

    @property
    def project(self) -> Project:
        """The project that is shipped."""
        return self.workshop.project

    @property
    def target(self) -> Target:
        """The target it is shipped to."""
        return self.workshop.target
