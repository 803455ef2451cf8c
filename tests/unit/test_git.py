from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowyard.adapters.git import Git
from flowyard.adapters.processes import Finished
from flowyard.errors import OrderError, UsageError
from flowyard.releasing.order import Commit, Relation

OURS, HEAD = "a" * 40, "b" * 40
ROOT = Path("/nowhere/project")


class Scripted:
    """Processes that answer what is written down; unknown arguments are a mistake of the test."""

    def __init__(self, answers: Mapping[str, Finished]) -> None:
        self.answers = answers
        self.argv: list[list[str]] = []

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
        assert env is None
        self.argv.append(list(argv))
        assert list(argv[:4]) == ["git", "--no-optional-locks", "-C", str(ROOT)]
        return self.answers[" ".join(argv[4:])]


def code(number: int, stdout: str = "", stderr: str = "") -> Finished:
    return Finished(number, stdout, stderr)


NEWER, OLDER = f"merge-base --is-ancestor {HEAD} {OURS}", f"merge-base --is-ancestor {OURS} {HEAD}"
SHALLOW = "rev-parse --is-shallow-repository"


@pytest.mark.parametrize(
    ("answers", "relation"),
    [
        ({NEWER: code(0)}, "descendant"),
        ({NEWER: code(1), OLDER: code(0)}, "ancestor"),
        ({NEWER: code(1), OLDER: code(1), SHALLOW: code(0, "false\n")}, "diverged"),
        ({NEWER: code(1), OLDER: code(1), SHALLOW: code(0, "true\n")}, "unknown"),
        ({NEWER: code(1), OLDER: code(1), SHALLOW: code(128)}, "unknown"),
        ({NEWER: code(128), OLDER: code(128)}, "unknown"),
        ({NEWER: code(128), OLDER: code(1)}, "unknown"),
    ],
)
def test_relation(answers: Mapping[str, Finished], relation: Relation) -> None:
    assert Git(ROOT, Scripted(answers)).relation(OURS, HEAD) == relation


@pytest.mark.parametrize(("head", "relation"), [(OURS, "same"), ("--help", "unknown"), ("main", "unknown")])
def test_relation_without_a_process(head: str, relation: Relation) -> None:
    processes = Scripted({})
    assert Git(ROOT, processes).relation(OURS, head) == relation
    assert processes.argv == []


HEAD_COMMAND = "rev-parse --verify --quiet HEAD"
STATUS = "status --porcelain --untracked-files=normal --"


def test_commit_is_the_head_and_whether_the_paths_differ() -> None:
    processes = Scripted(
        {HEAD_COMMAND: code(0, f"{OURS}\n"), f"{STATUS} flows/etl shared": code(0, " M flows/etl/flow.py\n")}
    )
    assert Git(ROOT, processes).commit([Path("flows/etl"), Path("shared")]) == Commit(OURS, True)


def test_a_clean_tree() -> None:
    processes = Scripted({HEAD_COMMAND: code(0, f"{OURS}\n"), STATUS: code(0)})
    assert Git(ROOT, processes).commit() == Commit(OURS, False)


@pytest.mark.parametrize("number", [1, 127, 128])
def test_no_commit_outside_of_git(number: int) -> None:
    assert Git(ROOT, Scripted({HEAD_COMMAND: code(number)})).commit() is None


def test_a_repository_that_git_refuses_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    project = tmp_path / "project"
    project.mkdir()

    class Refusing:
        def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
            return code(128, stderr="fatal: detected dubious ownership\n")

    with pytest.raises(OrderError) as caught:
        Git(project, Refusing()).head()
    assert caught.value.message == (
        "git could not say the checked-out commit (exit 128): fatal: detected dubious ownership"
    )


ASKED = "rev-parse --verify --quiet main^{commit}"
FORK, KNOWN = f"merge-base {OURS} HEAD", code(0, f"{OURS}\n")


def test_changes_since_a_reference_are_counted_from_where_the_ways_parted() -> None:
    answers = {
        ASKED: KNOWN,
        FORK: code(0, f"{HEAD}\n"),
        f"diff --name-only --no-renames --relative -z {HEAD} --": code(0, "b\nc\0a\0"),
        "ls-files --others --exclude-standard -z": code(0, "new\0a\0"),
    }
    assert Git(ROOT, Scripted(answers)).changed_since("main") == ("a", "b\nc", "new")


@pytest.mark.parametrize(
    ("reference", "answers", "said"),
    [
        (
            "main",
            {ASKED: code(1), "rev-parse --verify --quiet HEAD": KNOWN},
            "git knows no such commit, branch or tag here",
        ),
        (
            "--output=x",
            {"rev-parse --verify --quiet HEAD": KNOWN},
            "git knows no such commit, branch or tag here",
        ),
        (
            "main",
            {ASKED: code(128), "rev-parse --verify --quiet HEAD": code(1)},
            "here is no git commit to compare with",
        ),
        (
            "main",
            {ASKED: KNOWN, FORK: code(1), SHALLOW: code(0, "true\n")},
            "git finds no commit that it and ours have in common; this clone is shallow",
        ),
        (
            "main",
            {ASKED: KNOWN, FORK: code(1), SHALLOW: code(0, "false\n")},
            "git finds no commit that it and ours have in common; they share no history",
        ),
    ],
)
def test_a_reference_whose_history_is_not_here_is_an_error(
    reference: str, answers: Mapping[str, Finished], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Git(ROOT, Scripted(answers)).changed_since(reference)
    assert caught.value.message == f"--since {reference}: {said}"
