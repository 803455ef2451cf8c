"""Who is told what: a CI's job, by its files and its log; nobody elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from flowyard.adapters.merge_comments import is_by
from flowyard.commands.ci import comment, tell, tell_error
from flowyard.errors import BuildFailed, LockError
from flowyard.reporting.account import Account, FlowAccount
from flowyard.reporting.job import listens
from flowyard.wiring import open_comments
from tests.support import make_project, write_files

SAME = FlowAccount("same", "unchanged")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder of a repository, which is also the current folder."""
    root = make_project(tmp_path / "repository/flows-of-acme")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def github(root: Path, tmp_path: Path) -> dict[str, str]:
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    return {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(root.parent), **files}


def failed(root: Path) -> Account:
    log = write_files(root, {"build.log": "::add-mask::x\nlast line\n"}) / "build.log"
    error = BuildFailed("RUN false failed\nflow.py, line 3", log=log)
    return Account("build", "local", (FlowAccount("hello", "built", error=error), SAME))


def test_outside_of_a_ci_nobody_is_told(root: Path) -> None:
    stream = io.StringIO()
    assert not listens({"CI": "true"})
    tell(failed(root), {"GITHUB_ACTIONS": "false"}, stream)
    tell_error(LockError("x"), ["plan"], {}, stream)
    assert stream.getvalue() == ""


def test_a_job_of_github(root: Path, github: dict[str, str]) -> None:
    stream = io.StringIO()
    Path(github["GITHUB_STEP_SUMMARY"]).write_text("by another\n")
    tell(failed(root), github, stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] == (
        "::error file=flows-of-acme/flows/hello/flow.py,line=3,title=hello"
        "::RUN false failed%0Aflow.py, line 3"
    )
    assert lines[1] == "::group::hello: build log"
    token = lines[2].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert lines[3:] == ["::add-mask::x", "last line", f"::{token}::", "::endgroup::"]
    assert Path(github["GITHUB_STEP_SUMMARY"]).read_text().startswith("by another\n### Flowyard: build for")
    assert 'failed=["hello"]\n' in Path(github["GITHUB_OUTPUT"]).read_text()


def test_an_error_of_the_whole_command_is_told(root: Path, github: dict[str, str]) -> None:
    stream = io.StringIO()
    tell_error(LockError("registry.toml is stale"), ["plan", "--target=local", "--comment"], github, stream)
    assert stream.getvalue().splitlines() == [
        "::error file=flows-of-acme/registry.toml,line=1,title=Flowyard::registry.toml is stale",
        "note: this is no job of a pull or merge request: no comment is written",
    ]
    assert "plan for <code>local</code>" in Path(github["GITHUB_STEP_SUMMARY"]).read_text()


def test_what_cannot_be_told_is_a_warning(root: Path, github: dict[str, str], tmp_path: Path) -> None:
    stream = io.StringIO()
    tell(Account("plan", "x", (SAME,)), {**github, "GITHUB_OUTPUT": str(root)}, stream)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 3}}))
    known = {**github, "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "acme/flows"}
    comment(Account("plan", "x", (SAME,)), "", known, stream)
    told, not_written = stream.getvalue().splitlines()
    assert told.startswith("warning: the CI job could not be told: [Errno 21]")
    assert not_written.startswith("warning: the comment was not written: GITHUB_TOKEN is not set")


def test_only_true_makes_it_a_job_of_github(root: Path) -> None:
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(root.parent), "GITHUB_ACTIONS": "false"}
    tell(failed(root), environ, io.StringIO())
    assert (root.parent / ".flowyard/ci/codequality.json").exists()
    assert open_comments({**environ, "GITHUB_EVENT_PATH": str(root), "GITHUB_REPOSITORY": "x"}) is None


def test_a_comment_is_its_authors() -> None:
    bot, person = {"login": "jobs[bot]", "type": "Bot"}, {"login": "ada", "type": "User"}
    assert [is_by({"user": user}, "ada") for user in (person, bot)] == [True, False]
    assert [is_by({"user": user}, None) for user in (person, bot)] == [False, True]
    assert [is_by({"author": {"username": name}}, "ada") for name in ("ada", "eve")] == [True, False]
    assert not is_by({"user": None}, None)


def test_a_job_of_gitlab(root: Path) -> None:
    stream = io.StringIO()
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(root.parent)}
    tell(failed(root), environ, stream)
    folder = root.parent / ".flowyard/ci"
    (finding,) = json.loads((folder / "codequality.json").read_text())
    assert finding["location"] == {"path": "flows-of-acme/flows/hello/flow.py", "lines": {"begin": 3}}
    assert "[collapsed=true]\r\x1b[0Khello: build log\n::add-mask::x\nlast line\n" in stream.getvalue()
    plan = Account("plan", "x", (FlowAccount("a", "build"), FlowAccount("b", "build")))
    tell(plan, environ, stream, split=2)
    assert (folder / "groups/2").read_text() == "b\n"
    tell(Account("plan", "x", (SAME,)), environ, stream, split=2)
    assert not (folder / "groups").exists()
    assert (folder / "flowyard.env").read_text().startswith("FLOWYARD_TARGET=x\nFLOWYARD_CHANGES=0\n")
