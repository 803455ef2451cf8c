"""Decides whether a commit may replace the one that is deployed: never an older one, never a guess.

Pure, with the ancestry behind a one-method port, so that every case of the rule is one line of a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from flowyard.errors import OrderError

Relation = Literal["same", "ancestor", "descendant", "diverged", "unknown"]

_GO: frozenset[Relation] = frozenset({"same", "descendant"})
_WHY: Mapping[Relation, tuple[str, str]] = {
    "ancestor": (
        "commit {ours} is older than the deployed commit {head}",
        "ship a newer commit (git pull); to go back on purpose, revert and ship the new commit",
    ),
    "diverged": (
        "commit {ours} and the deployed commit {head} have diverged",
        "merge or rebase onto the deployed commit, then ship again",
    ),
    "unknown": (
        "whether commit {ours} comes after the deployed commit {head} is not known: history is missing here",
        "fetch the full history (git fetch --unshallow; in GitHub Actions, checkout with fetch-depth: 0)",
    ),
}


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that is checked out. `dirty`: files differ from it; it still counts as this commit."""

    sha: str
    dirty: bool


class History(Protocol):
    """What is known about the ancestry of commits."""

    def relation(self, ours: str, head: str) -> Relation:
        """What our commit is to the deployed one: `ancestor` means that ours is the older one."""
        ...


def decide(head: str | None, ours: str | None, relation: Relation) -> OrderError | None:
    """None when the commit `ours` may replace the deployed `head`, else the error that says why not.

    Nothing deployed, or something without a commit, may always be replaced; a tree without a commit never
    replaces one. `relation` counts only when both commits are known.
    """
    if head is None:
        return None
    if ours is None:
        return OrderError(
            f"commit {_short(head)} is deployed, and here is no git commit to compare with it",
            hint='ship from a git checkout of the project, or set order = "none" in the target',
        )
    if relation in _GO:
        return None
    why, hint = _WHY[relation]
    return OrderError(why.format(ours=_short(ours), head=_short(head)), hint=hint)


def refused(heads: Mapping[str, str | None], ours: str | None, history: History) -> Mapping[str, OrderError]:
    """The flows that may not be shipped, each with the reason. `heads` has every flow's deployed commit.

    The history is asked once for every commit, not for every flow.
    """
    known = {head for head in heads.values() if head is not None}
    relations: dict[str, Relation] = {}
    if ours is not None:
        relations = {head: history.relation(ours, head) for head in known}
    errors: dict[str, OrderError] = {}
    for flow, head in heads.items():
        error = decide(head, ours, relations.get(head or "", "unknown"))
        if error is not None:
            errors[flow] = error
    return errors


def _short(sha: str) -> str:
    return sha[:12]
