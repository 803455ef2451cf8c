"""Telling never decides how a command ends, and nobody is left untold because another could not be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowyard.commands.telling import Telling
from flowyard.load import load
from flowyard.reporting.account import Account, FlowAccount
from tests.support import make_project, target_of


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A job of GitHub for a pull request, without a token."""
    files = {name: tmp_path / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_EVENT_PATH")}
    files["GITHUB_EVENT_PATH"].write_text(json.dumps({"pull_request": {"number": 3}}))
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/flows")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(make_project(tmp_path / "project"))
    return files


def tell(telling: Telling, tmp_path: Path) -> None:
    project = load(tmp_path / "project")
    account = Account("ship", "local", (FlowAccount("hello", "build"),))
    telling.tell(account, project, target_of(project))


def test_a_page_that_cannot_be_written_leaves_nobody_else_untold(
    job: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(Telling(comment=True, report=str(tmp_path)), tmp_path)  # it became a folder meanwhile
    assert "changes=1\n" in job["GITHUB_OUTPUT"].read_text()
    page, comment = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert page.startswith("warning: the report page was not written: [Errno 21]")
    assert comment.startswith("warning: the comment was not written: GITHUB_TOKEN is not set")


def test_the_job_is_told_before_the_page_is_written(
    job: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job["GITHUB_STEP_SUMMARY"].mkdir()
    tell(Telling(report=str(tmp_path / "report.html")), tmp_path)
    told, written = capsys.readouterr().err.splitlines()
    assert told.startswith("warning: the CI job could not be told: [Errno 21]")
    assert written == f"report: {tmp_path / 'report.html'}"


def test_what_no_one_expected_is_a_warning_as_well(
    job: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job["GITHUB_EVENT_PATH"].write_text("[]")
    tell(Telling(comment=True), tmp_path)
    assert "warning: the comment was not written: " in capsys.readouterr().err
