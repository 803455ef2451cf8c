"""The git adapter against the git program and real repositories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowyard.adapters.git import Git
from flowyard.adapters.processes import Finished, SystemProcesses
from flowyard.errors import OrderError, UsageError
from flowyard.releasing.order import Commit
from tests.support import write_files

IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(folder), *IDENTITY, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "flow.py").write_text(text)
    git(folder, "add", "flow.py")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder


def adapter(folder: Path) -> Git:
    return Git(folder, SystemProcesses())


def test_relations(repository: Path) -> None:
    first, second = commit(repository, "1"), commit(repository, "2")
    git(repository, "checkout", "--quiet", "-b", "side", first)
    side = commit(repository, "side")
    found = adapter(repository)
    assert found.relation(second, first) == "descendant"
    assert found.relation(first, second) == "ancestor"
    assert found.relation(first, first) == "same"
    assert found.relation(side, second) == "diverged"
    assert found.relation(first, "0" * 40) == "unknown"


def test_a_shallow_clone_does_not_know_what_it_cannot_see(repository: Path, tmp_path: Path) -> None:
    first, second, third = (commit(repository, text) for text in "123")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "2", f"file://{repository}", str(clone))
    found = adapter(clone)
    assert found.head() == third
    assert found.relation(third, second) == "descendant"
    assert found.relation(third, first) == "unknown"


def test_an_unrelated_commit_in_a_shallow_clone_is_unknown(repository: Path, tmp_path: Path) -> None:
    first = commit(repository, "1")
    git(repository, "checkout", "--quiet", "-b", "side")
    side = commit(repository, "side")
    git(repository, "checkout", "--quiet", "main")
    main = commit(repository, "main")
    clone = tmp_path / "clone"
    url = f"file://{repository}"
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--no-single-branch", url, str(clone))
    assert adapter(clone).relation(main, side) == "unknown"
    assert adapter(repository).relation(main, side) == "diverged"
    assert adapter(repository).relation(first, side) == "ancestor"


def test_head_and_dirty(repository: Path) -> None:
    found = adapter(repository)
    assert found.head() is None  # no commit yet
    sha = commit(repository, "1")
    assert found.commit() == Commit(sha, False)
    (repository / "other").mkdir()
    (repository / "other" / "new.py").write_text("")
    assert found.commit() == Commit(sha, True)
    assert found.commit([Path("flow.py")]) == Commit(sha, False)
    (repository / ".gitignore").write_text("other/\n.gitignore\n")
    assert found.dirty() is False
    (repository / "flow.py").write_text("changed")
    assert found.dirty([Path("flow.py")]) is True


def test_a_worktree_and_a_folder_below_the_root(repository: Path, tmp_path: Path) -> None:
    sha = commit(repository, "1")
    (repository / "below").mkdir()
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    assert adapter(tmp_path / "tree").head() == sha
    assert adapter(repository / "below").head() == sha


def test_outside_of_git(tmp_path: Path) -> None:
    assert adapter(tmp_path).commit() is None


def test_a_broken_repository_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(OrderError, match=r"git could not say the checked-out commit \(exit 128\)"):
        adapter(tmp_path).head()


def test_processes() -> None:
    run = SystemProcesses().run
    code = "import os, sys; print(sys.stdin.read(), sorted(os.environ)); sys.stderr.write('e'); sys.exit(3)"
    assert run([sys.executable, "-I", "-c", code], env={"LC_ALL": "C"}) == Finished(3, " ['LC_ALL']\n", "e")
    assert run(["no-such-program"]) == Finished(127, "", "no-such-program: No such file or directory")


def test_what_was_touched_since_a_branch(repository: Path, tmp_path: Path) -> None:
    """Counted from where the ways parted; what is not committed and new counts, what the branch did does not."""
    project = repository / "nested"
    project.mkdir()
    write_files(project, {"a.py": "1", "b c.py": "1", "gone.py": "1", ".gitignore": "ignored\n"})
    write_files(repository, {"outside.py": "1"})
    git(repository, "add", ".")
    first = commit(repository, "first")
    write_files(repository, {"nested/b c.py": "2", "outside.py": "2", "nested/later.py": "1"})
    git(repository, "add", ".")
    commit(repository, "on main")
    git(repository, "checkout", "--quiet", "-b", "side", first)
    git(repository, "rm", "--quiet", "nested/gone.py")
    commit(repository, "on the side")
    write_files(project, {"a.py": "2", "new.py": "1", "ignored": "1"})
    assert adapter(project).changed_since("main") == ("a.py", "gone.py", "new.py")
    with pytest.raises(UsageError, match="git knows no such commit"):
        adapter(project).changed_since("nowhere")
    clone = tmp_path / "clone"
    argv = ("clone", "--quiet", "--depth", "1", "--no-single-branch", "--branch", "side")
    git(tmp_path, *argv, f"file://{repository}", str(clone))
    with pytest.raises(UsageError, match="this clone is shallow") as caught:
        adapter(clone).changed_since("origin/main")
    assert "fetch-depth: 0" in caught.value.hint
