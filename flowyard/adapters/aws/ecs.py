"""Task definitions in Amazon ECS: found when they are there, registered when they are not, retired.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
"""

from __future__ import annotations

import random
import time

from flowyard.aws.task_definition import TaskDefinition
from flowyard.errors import AwsRefused
from flowyard.ports import AwsCalls, Timer
from flowyard.values import Json

TRIES = 6  # to register, while somebody else makes a revision of the family as well
_PAUSE = 0.5  # seconds before the second try; each pause is twice the one before
# "ClientException: Too many concurrent attempts to create a new revision of the specified family": no code of its
# own tells it from a definition that is wrong, and botocore does not try it again.
_CONCURRENT = "too many concurrent attempts"
_LOOKED_AT = 20  # newest revisions of a family that may be the one that is wanted


class EcsTaskDefinitions:
    """TaskDefinitions and Revisions of one region. Safe to use from several threads."""

    def __init__(self, session: AwsCalls, timer: Timer = time) -> None:
        self._session = session
        self._timer = timer

    def ready(self, definition: TaskDefinition) -> str:
        """As TaskDefinitions.ready."""
        for number in range(1, TRIES + 1):
            # Again before every try: whoever was quicker may have registered the same.
            found = self._held(definition)
            if found is not None:
                return found
            try:
                return self._register(definition)
            except AwsRefused as error:
                if number == TRIES or _CONCURRENT not in error.message.lower():
                    raise
            self._timer.sleep(_PAUSE * 2 ** (number - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    def active(self, family: str) -> tuple[str, ...]:
        """As Revisions.active."""
        found: list[str] = []
        wanted: dict[str, Json] = {"familyPrefix": family, "status": "ACTIVE", "sort": "DESC"}
        while True:
            page = self._call("ListTaskDefinitions", family, **wanted)
            found += page["taskDefinitionArns"]
            if not page.get("nextToken"):
                break
            wanted["nextToken"] = page["nextToken"]
        own = (arn for arn in found if _family(arn) == family)
        return tuple(sorted(own, key=_revision, reverse=True))

    def images(self, arn: str) -> tuple[str, ...]:
        """As Revisions.images."""
        described = self._call("DescribeTaskDefinition", arn, taskDefinition=arn)["taskDefinition"]
        return tuple(container["image"] for container in described["containerDefinitions"])

    def retire(self, arn: str) -> None:
        """As Revisions.retire."""
        self._call("DeregisterTaskDefinition", arn, taskDefinition=arn)

    def _held(self, definition: TaskDefinition) -> str | None:
        for arn in self.active(definition.family)[:_LOOKED_AT]:
            answer = self._call("DescribeTaskDefinition", arn, taskDefinition=arn, include=["TAGS"])
            found = answer["taskDefinition"]
            if found["status"] == "ACTIVE" and definition.is_held_by(found, answer.get("tags") or ()):
                return arn
        return None

    def _register(self, definition: TaskDefinition) -> str:
        answer = self._call("RegisterTaskDefinition", definition.family, **definition.request())
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def _call(self, action: str, what: str, **parameters: Json) -> Json:
        return self._session.call("ecs", action, f"task definition {what}", **parameters)


def _family(arn: str) -> str:
    return arn.rpartition("/")[2].rpartition(":")[0]


def _revision(arn: str) -> int:
    return int(arn.rpartition(":")[2])
