"""Shipping from git: an older commit never overwrites a newer one, and nobody guesses."""

from __future__ import annotations

import subprocess

import pytest

from flowyard.releasing.records import read_head
from tests.integration.pipeline_projects import SmallProject
from tests.release_records import latest

pytest_plugins = ("tests.integration.pipeline_fixtures",)

AUTHOR = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")


def git(project: SmallProject, *words: str) -> str:
    """Run git in the project; what it printed."""
    argv = ["git", "-C", str(project.root), *AUTHOR, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def commit(project: SmallProject) -> str:
    """Commit everything; the commit's id."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "a change")
    return git(project, "rev-parse", "HEAD")


def head(project: SmallProject) -> dict[str, str | None]:
    """The commit each flow was last shipped from, as the server holds it."""
    return dict(read_head(project.api, project.name, "local").commits)


@pytest.fixture
def repository(project: SmallProject) -> SmallProject:
    """A project in git whose target keeps the order of commits."""
    project.registry('order = "git"')
    project.write(".gitignore", ".flowyard/\nregistry.local.toml\n")
    project.flow("order_flow")
    git(project, "init", "--quiet", "--initial-branch", "main")
    return project


def test_a_newer_commit_is_shipped_and_an_older_one_refused(repository: SmallProject) -> None:
    first = commit(repository)
    assert repository.shipped() == {"order_flow": "build"}
    assert head(repository) == {"order_flow": first}
    repository.flow("order_flow")
    second = commit(repository)
    assert repository.shipped() == {"order_flow": "build"}
    assert head(repository) == {"order_flow": second}
    before = repository.deployment("order_flow")
    assert before["labels"]["flowyard.commit"] == second
    record = latest(repository.api, repository.name, "local", "order_flow")
    assert record is not None
    assert (record.commit, record.dirty, record.image) == (second, False, before["job_variables"]["image"])

    git(repository, "checkout", "--quiet", first)
    refused = repository.program("ship")
    assert (refused.returncode, refused.stdout) == (8, "")
    assert refused.stderr.splitlines() == [
        f"error: order_flow: commit {first[:12]} is older than the deployed commit {second[:12]}",
        "  hint: ship a newer commit (git pull); to go back on purpose, revert and ship the new commit",
        "target local: 0 shipped, 0 unchanged, 1 failed",
    ]
    assert repository.deployment("order_flow") == before
    assert head(repository) == {"order_flow": second}


def test_a_commit_that_changes_no_flow_still_moves_the_head(repository: SmallProject) -> None:
    first = commit(repository)
    repository.shipped()
    repository.write("README.md", "of no interest to a flow\n")
    second = commit(repository)
    assert repository.shipped() == {"order_flow": "unchanged"}
    assert head(repository) == {"order_flow": second}
    # The older commit has the same flow, so there is nothing to refuse; but it is not the head again.
    git(repository, "checkout", "--quiet", first)
    assert repository.shipped() == {"order_flow": "unchanged"}
    assert head(repository) == {"order_flow": second}


def test_a_history_of_its_own_is_refused(repository: SmallProject) -> None:
    first = commit(repository)
    repository.shipped()
    git(repository, "checkout", "--quiet", "--orphan", "unrelated")
    repository.flow("order_flow")
    second = commit(repository)
    refused = repository.program("ship")
    assert (refused.returncode, refused.stdout) == (8, "")
    assert refused.stderr.splitlines() == [
        f"error: order_flow: commit {second[:12]} and the deployed commit {first[:12]} have diverged",
        "  hint: merge or rebase onto the deployed commit, then ship again",
        "target local: 0 shipped, 0 unchanged, 1 failed",
    ]
    assert head(repository) == {"order_flow": first}


def test_a_clone_without_the_history_is_refused(repository: SmallProject) -> None:
    """What a CI job has that checked out one commit only."""
    first = commit(repository)
    repository.shipped()
    repository.flow("order_flow")
    second = commit(repository)
    git(repository, "fetch", "--quiet", "--depth=1", str(repository.root), "HEAD:shallow")
    git(repository, "update-ref", "-d", "refs/heads/main")
    git(repository, "checkout", "--quiet", "shallow")
    assert git(repository, "rev-parse", "--is-shallow-repository") == "true"
    refused = repository.program("ship")
    assert refused.returncode == 8
    assert refused.stderr.splitlines()[:2] == [
        f"error: order_flow: whether commit {second[:12]} comes after the deployed commit {first[:12]} is not "
        "known: history is missing here",
        "  hint: fetch the full history (git fetch --unshallow; in GitHub Actions, checkout with fetch-depth: 0)",
    ]


def test_a_tree_without_git_never_replaces_a_commit(repository: SmallProject) -> None:
    first = commit(repository)
    repository.shipped()
    (repository.root / ".git").rename(repository.root.parent / "git-elsewhere")
    repository.flow("order_flow")
    refused = repository.program("ship")
    assert refused.returncode == 8
    assert refused.stderr.splitlines()[:2] == [
        f"error: order_flow: commit {first[:12]} is deployed, and here is no git commit to compare with it",
        '  hint: ship from a git checkout of the project, or set order = "none" in the target',
    ]
