"""Fakes of what is asked of AWS: task definitions and secrets, in memory.

The contract tests of tests/aws run on them and on the real adapters, in front of AWS's APIs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowyard.aws.secrets import SecretLook
from flowyard.aws.task_definition import TaskDefinition
from flowyard.errors import AwsError
from flowyard.values import Json

PREFIX = "arn:aws:ecs:eu-west-1:123456789012:task-definition"


class FakeTaskDefinitions:
    """TaskDefinitions and Revisions in memory. With `failure` set, every question raises it.

    `registered` are the requests by ARN, `retired` the ARNs that are no longer active, `asked` all questions.
    """

    def __init__(self) -> None:
        self.registered: dict[str, dict[str, Json]] = {}
        self.retired: set[str] = set()
        self.asked: list[str] = []
        self.failure: AwsError | None = None

    def ready(self, definition: TaskDefinition) -> str:
        """As TaskDefinitions.ready."""
        self._ask("ready")
        request = json.loads(json.dumps(definition.request()))
        for arn in self._active(definition.family):
            if self.registered[arn] == request:
                return arn
        own = [arn for arn in self.registered if arn.startswith(f"{PREFIX}/{definition.family}:")]
        arn = f"{PREFIX}/{definition.family}:{len(own) + 1}"
        self.registered[arn] = request
        return arn

    def active(self, family: str) -> tuple[str, ...]:
        """As Revisions.active."""
        self._ask("active")
        return self._active(family)

    def images(self, arn: str) -> tuple[str, ...]:
        """As Revisions.images."""
        self._ask("images")
        return tuple(container["image"] for container in self.registered[arn]["containerDefinitions"])

    def retire(self, arn: str) -> None:
        """As Revisions.retire."""
        self._ask("retire")
        self.retired.add(arn)

    def _active(self, family: str) -> tuple[str, ...]:
        start = f"{PREFIX}/{family}:"
        found = [arn for arn in self.registered if arn.startswith(start) and arn not in self.retired]
        return tuple(reversed(found))

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeSecrets:
    """A SecretStore in memory, in which all secrets are but those of `looks`."""

    looks: Mapping[str, SecretLook] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def look(self, arn: str) -> SecretLook:
        """As SecretStore.look."""
        self.asked.append(arn)
        return self.looks.get(arn, SecretLook(there=True))
