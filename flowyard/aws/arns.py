"""Names of things in AWS: ARNs taken apart, and the families of task definitions put together.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

LONGEST_FAMILY = 255
_HASH = 10  # hexadecimal digits: names that are cut to the same words are still told apart


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN's parts. `resource` is all behind the account, with its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(text: str) -> Arn:
    """The ARN's parts. Raises ValueError for a text that is none."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
        raise ValueError(f"not an ARN: {text!r}")
    return Arn(*parts[1:])


@dataclass(frozen=True, slots=True)
class FlowOwner:
    """Whose some task definitions are: those of one flow on a target. `pool` is the work pool's id."""

    project: str
    target: str
    flow: str
    pool: str

    def of(self, deployment: str) -> Owner:
        """The owner that is one deployment of the flow."""
        return Owner(self.project, self.target, self.flow, deployment, self.pool)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a task definition is: one deployment, on the work pool of one Prefect server.

    `pool` is the work pool's id, which no other server has: two servers that serve the same project and target, in
    one AWS account, share no family, and none retires what the other runs.
    """

    project: str
    target: str
    flow: str
    deployment: str
    pool: str

    @property
    def family(self) -> str:
        """The family of its task definitions: the names as far as they fit, and what makes them unique.

        "Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens":
        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
        The configuration takes no other characters in any of the names.
        """
        names = (self.project, self.target, self.flow, self.deployment)
        unique = hashlib.sha256(json.dumps([*names, self.pool]).encode()).hexdigest()[:_HASH]
        readable = f"{family_prefix(self.project, self.target)}{self.flow}-{self.deployment}"
        return f"{readable[: LONGEST_FAMILY - _HASH - 1]}-{unique}"


def family_prefix(project: str, target: str) -> str:
    """What every family of a project on a target begins with; policies name it."""
    return f"flowyard-{project}-{target}-"
