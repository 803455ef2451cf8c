from __future__ import annotations

import pytest

from flowyard.errors import OrderError
from flowyard.releasing.order import Relation, decide, refused

OLD, NEW = "a" * 40, "b" * 40


class Told:
    """A History that says what it was told, and keeps what it was asked."""

    def __init__(self, **relations: Relation) -> None:
        self.relations = relations
        self.asked: list[tuple[str, str]] = []

    def relation(self, ours: str, head: str) -> Relation:
        self.asked.append((ours, head))
        return self.relations[f"h{head[0]}"]


@pytest.mark.parametrize(
    ("head", "ours", "relation"),
    [
        (None, OLD, "unknown"),
        (None, None, "unknown"),
        (OLD, OLD, "same"),
        (OLD, NEW, "descendant"),
    ],
)
def test_goes(head: str | None, ours: str | None, relation: Relation) -> None:
    assert decide(head, ours, relation) is None


@pytest.mark.parametrize(
    ("ours", "relation", "message", "hint"),
    [
        (
            OLD,
            "ancestor",
            "commit aaaaaaaaaaaa is older than the deployed commit bbbbbbbbbbbb",
            "ship a newer commit (git pull); to go back on purpose, revert and ship the new commit",
        ),
        (
            OLD,
            "diverged",
            "commit aaaaaaaaaaaa and the deployed commit bbbbbbbbbbbb have diverged",
            "merge or rebase onto the deployed commit, then ship again",
        ),
        (
            OLD,
            "unknown",
            "whether commit aaaaaaaaaaaa comes after the deployed commit bbbbbbbbbbbb is not known:"
            " history is missing here",
            "fetch the full history (git fetch --unshallow; in GitHub Actions, checkout with fetch-depth: 0)",
        ),
        (
            None,
            "same",
            "commit bbbbbbbbbbbb is deployed, and here is no git commit to compare with it",
            'ship from a git checkout of the project, or set order = "none" in the target',
        ),
    ],
)
def test_is_refused(ours: str | None, relation: Relation, message: str, hint: str) -> None:
    error = decide(NEW, ours, relation)
    assert isinstance(error, OrderError)
    assert (error.message, error.hint, error.exit_code) == (message, hint, 8)


def test_refused_asks_once_for_a_commit_and_names_only_the_flows_that_may_not() -> None:
    history = Told(hb="ancestor", hc="descendant")
    heads = {"one": NEW, "two": NEW, "three": "c" * 40, "new": None}
    errors = refused(heads, OLD, history)
    assert sorted(errors) == ["one", "two"]
    assert sorted(history.asked) == [(OLD, NEW), (OLD, "c" * 40)]


def test_without_a_commit_the_history_is_not_asked() -> None:
    history = Told()
    assert sorted(refused({"one": NEW, "new": None}, None, history)) == ["one"]
    assert history.asked == []
