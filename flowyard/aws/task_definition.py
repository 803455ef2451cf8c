"""A task definition as a value: what is registered, when it is the same as one that is there, how large it is.

What prefect-aws would add when a flow run starts is in it from the beginning, so a worker only refers to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowyard.aws.arns import Owner
from flowyard.images import PublishedImage
from flowyard.values import Json

CONTAINER = "prefect"  # what prefect-aws looks for
ARN_VARIABLE = "task_definition_arn"  # the job variable that names a task definition
OWN_TAGS = "flowyard:"  # how the keys of our tags begin
# "Task definition size limit: 64 KB": https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
MOST_BYTES = 64 * 1024
# What AWS answers about a revision beside what was registered.
_OF_THE_REVISION = frozenset(
    (
        *("taskDefinitionArn", "family", "revision", "status", "tags", "registeredAt", "registeredBy"),
        *("deregisteredAt", "deleteRequestedAt", "requiresAttributes", "compatibilities"),
    )
)


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One revision as it is wanted. `content` is what RegisterTaskDefinition takes beside family and tags."""

    family: str
    content: Mapping[str, Json]
    tags: Mapping[str, str]

    def request(self) -> dict[str, Json]:
        """What RegisterTaskDefinition takes."""
        tags = [{"key": name, "value": value} for name, value in sorted(self.tags.items())]
        return {"family": self.family, **self.content, "tags": tags}

    def is_held_by(self, described: Mapping[str, Json], tags: Sequence[Mapping[str, str]]) -> bool:
        """Whether a revision, as DescribeTaskDefinition answers it, is what is wanted.

        AWS fills in what was not said, with what is empty, zero or false, and keeps some lists in an order of
        its own: neither counts. Tags that somebody else added do not count either.
        """
        there = {name: value for name, value in described.items() if name not in _OF_THE_REVISION}
        found = {tag["key"]: tag.get("value", "") for tag in tags}
        return _same(self.content, there) and self.tags.items() <= found.items()


def define(
    settings: Mapping[str, Json], owner: Owner, image: PublishedImage, key: str, tags: Mapping[str, str]
) -> TaskDefinition:
    """The definition that runs this image; `settings` are all that is known before there is one."""
    container = {**settings["containerDefinitions"][0], "name": CONTAINER, "image": str(image)}
    if "logConfiguration" in container:
        log = container["logConfiguration"]
        # Streams are called after it, then the container and the task.
        prefix = {"awslogs-stream-prefix": f"{owner.flow}/{owner.deployment}"}
        container["logConfiguration"] = {**log, "options": {**log["options"], **prefix}}
    marks = {"project": owner.project, "target": owner.target, "flow": owner.flow}
    own = {**marks, "deployment": owner.deployment, "key": key}
    return TaskDefinition(
        family=owner.family,
        content={**settings, "containerDefinitions": [container]},
        tags={**tags, **{f"{OWN_TAGS}{name}": value for name, value in own.items()}},
    )


def size_of(document: Json) -> int:
    """How many bytes a document has in a request."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def _same(wanted: Json, found: Json) -> bool:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(_same(wanted.get(name), found.get(name)) for name in wanted.keys() | found.keys())
    if isinstance(wanted, Sequence) and isinstance(found, Sequence) and not isinstance(wanted, str):
        first, second = _in_order(wanted), _in_order(found)
        return len(first) == len(second) and all(map(_same, first, second))
    return wanted == found or (not wanted and not found)


def _in_order(items: Sequence[Json]) -> list[Json]:
    """Containers, variables and secrets by name; words by themselves."""
    return sorted(items, key=lambda item: str(item.get("name")) if isinstance(item, Mapping) else str(item))
