"""IAM's word on a request, as far as the policies of Flowyard go: they allow, and deny nothing.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flowyard.values import Json


@dataclass(frozen=True)
class Question:
    """May somebody do this action on this resource? `context` is what conditions look at."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = ", ".join(f"{key} = {value}" for key, value in self.context.items())
        return f"{self.action} on {self.resource}{f' with {where}' if where else ''}"


def allowed_by(documents: Iterable[Json], question: Question) -> str | None:
    """The Sid of a statement that allows it, None where none does."""
    return next((one["Sid"] for one in statements(documents) if _allows(one, question)), None)


def statements(documents: Iterable[Json]) -> Iterator[Json]:
    """The statements of all the policies of one role."""
    for document in documents:
        yield from document["Statement"]


def _allows(statement: Json, question: Question) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        any(_matches(pattern.lower(), question.action.lower()) for pattern in statement["Action"])
        and any(_matches(pattern, question.resource) for pattern in statement["Resource"])
        and all(
            _holds(operator, values, question.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, wanted: list[str], found: str | None) -> bool:
    """A key that is not in the request is no match, but for the operators that say so:
    reference_policies_elements_condition_operators.html"""
    plain = operator.removesuffix("IfExists")
    if found is None:
        return plain != operator
    operator = plain
    if operator in ("StringEquals", "ForAnyValue:StringEquals"):
        return found in wanted
    if operator in ("ArnEquals", "ArnLike", "StringLike"):
        return any(_matches(pattern, found) for pattern in wanted)
    raise NotImplementedError(operator)


def _matches(pattern: str, text: str) -> bool:
    """`*` is any text, also with colons and slashes in it, and `?` any character."""
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
