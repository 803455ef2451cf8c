"""What IAM's policies are made of, as values, and the documents that say them within IAM's limits.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flowyard.values import Json

VERSION = "2012-10-17"  # of IAM's language
LARGEST_POLICY = 6144  # characters of a managed policy; white space does not count
LONGEST_ROLE_NAME = 64


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a statement: the key has one of the values, as the operator compares them."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a policy allows: each action on each resource, as far as all conditions hold."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may become a role."""

    action: str
    kind: Literal["Service", "Federated"]
    principal: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """What one of the parties may do. Without `trust` it is a policy for users and roles that are there."""

    key: str
    name: str
    purpose: str
    statements: tuple[Statement, ...]
    trust: Trust | None = None
    path: str = "/"
    instance_profile: bool = False

    @property
    def groups(self) -> tuple[tuple[Statement, ...], ...]:
        """The statements of each of its policies: of one, or of as many as the limit asks for."""
        return tuple(_groups(self.statements))

    @property
    def documents(self) -> tuple[Json, ...]:
        """Its policies."""
        return tuple(_document(group) for group in self.groups)

    def policy_name(self, number: int) -> str:
        """The name of its first policy, its second..."""
        return self.name if number == 1 else f"{self.name}-{number}"

    @property
    def trust_document(self) -> Json | None:
        """The policy that says who may become the role."""
        if self.trust is None:
            return None
        allowed = {"Effect": "Allow", "Principal": {self.trust.kind: self.trust.principal}}
        statement = {**allowed, "Action": self.trust.action, **_conditions(self.trust.conditions)}
        return {"Version": VERSION, "Statement": [statement]}


def size(document: Json) -> int:
    """How many characters of a document IAM counts."""
    return len(json.dumps(document, separators=(",", ":")))


def _groups(statements: Sequence[Statement]) -> Iterator[tuple[Statement, ...]]:
    group: tuple[Statement, ...] = ()
    for statement in (part for one in statements for part in _fitting(one)):
        if group and size(_document((*group, statement))) > LARGEST_POLICY:
            yield group
            group = ()
        group = (*group, statement)
    if group:
        yield group


def _fitting(statement: Statement) -> Iterator[Statement]:
    """The statement, in halves of its resources where it is too large for a policy of its own."""
    middle = len(statement.resources) // 2
    if middle == 0 or size(_document((statement,))) <= LARGEST_POLICY:
        yield statement
        return
    for number, half in enumerate((statement.resources[:middle], statement.resources[middle:]), 1):
        yield from _fitting(replace(statement, sid=f"{statement.sid}{number}", resources=half))


def _document(statements: Sequence[Statement]) -> Json:
    return {"Version": VERSION, "Statement": [_statement(one) for one in statements]}


def _statement(statement: Statement) -> Json:
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
        **_conditions(statement.conditions),
    }


def _conditions(conditions: Sequence[Condition]) -> dict[str, Json]:
    by_operator: dict[str, dict[str, list[str]]] = {}
    for one in conditions:
        by_operator.setdefault(one.operator, {})[one.key] = list(one.values)
    return {"Condition": by_operator} if by_operator else {}
