"""What a ship does about task definitions: look at the secrets, register, retire.

Between the steps that every work pool has: before anything is built, before anything names a task definition, and
after everything does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flowyard.aws.arns import FlowOwner
from flowyard.aws.task_definition import TaskDefinition, define
from flowyard.configuration.paths import FLOW_FILE, REGISTRY_FILE
from flowyard.errors import ConfigurationError, Problem
from flowyard.images import PublishedImage
from flowyard.plan import Desired
from flowyard.ports import PrefectApi
from flowyard.registering.retirement import retire_unneeded
from flowyard.target import Target
from flowyard.work_pools import task_definition
from flowyard.yard import EcsSide


@dataclass(frozen=True, slots=True)
class DefinitionSteps:
    """The steps of a ship that concern task definitions; none of them does anything without a `side`.

    `pool` is the work pool's id.
    """

    side: EcsSide | None
    target: Target
    project: str
    pool: str

    def check(self, desired: Desired) -> tuple[str, ...]:
        """See that every secret is there. Returns notes on those that nobody here may look at.

        Raises ConfigurationError for those that are not there, AwsError when AWS does not answer.
        """
        if self.side is None:
            return ()
        named = tuple(_named(self.target, desired))
        looks = {arn: self.side.secrets.look(arn) for arn in dict.fromkeys(arn for _, arn in named)}
        missing = [Problem(*place, looks[arn].why) for place, arn in named if looks[arn].there is False]
        if missing:
            raise ConfigurationError(tuple(dict.fromkeys(missing)))
        unknown = {arn: look.why for arn, look in looks.items() if look.there is None}
        return tuple(f"whether {arn} is there is not known: {why}" for arn, why in unknown.items())

    def register(self, desired: Desired, image: PublishedImage) -> Mapping[str, str]:
        """The ARN of each deployment's task definition by the deployment's name. Raises AwsError.

        What was registered stays when a later one fails: nothing names it, and the next ship finds it.
        """
        if self.side is None:
            return {}
        wanted = definitions(self.target, self._owner(desired.flow.name), desired, image)
        return {name: self.side.definitions.ready(definition) for name, definition in wanted.items()}

    def retire(
        self, api: PrefectApi, flow: str, deployments: Iterable[str], current: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Retire task definitions of these deployments that nothing names. Returns notes, raises nothing."""
        if self.side is None:
            return ()
        return retire_unneeded(api, self.side.definitions, self._owner(flow), deployments, current)

    def _owner(self, flow: str) -> FlowOwner:
        return FlowOwner(self.project, self.target.name, flow, self.pool)


def definitions(
    target: Target, owner: FlowOwner, desired: Desired, image: PublishedImage
) -> dict[str, TaskDefinition]:
    """The task definition of each deployment by its name; none where the work pool's type has none."""
    found = {one.name: task_definition(target, one) for one in desired.deployments}
    tags = target.ecs.tags if target.ecs else {}
    return {
        name: define(settings, owner.of(name), image, desired.key, tags)
        for name, settings in found.items()
        if settings is not None
    }


def _named(target: Target, desired: Desired) -> Iterator[tuple[tuple[str, str], str]]:
    """Every secret that a task definition names: file and key, and the ARN."""
    for deployment in desired.deployments:
        for name, arn in target.secrets.items():
            if name not in deployment.secrets:
                yield (REGISTRY_FILE, f"targets.{target.name}.secrets.{name}"), arn
        for name, arn in deployment.secrets.items():
            file = f"{desired.flow.folder.as_posix()}/{FLOW_FILE}"
            yield (file, f"deployments.{deployment.name}.secrets.{name}"), arn
