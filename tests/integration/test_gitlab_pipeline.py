"""The template for GitLab, its scripts run line by line from a fresh clone of a small repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.comments_api import CommentsApi, comments_api
from tests.integration.gitlab_runner import Job, Pipeline, fits
from tests.integration.pipeline_projects import SmallProject
from tests.integration.yard import ROOT

pytest_plugins = ("tests.integration.pipeline_fixtures",)

TEMPLATE = ROOT / "examples/gitlab/.gitlab-ci.yml"
BROKEN = "from prefect import flow\n\nimport nowhere_to_be_found\n\n\n@flow\ndef gl_broken(): ...\n"
MERGE_REQUEST = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "12"}
MERGE = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}


@pytest.fixture
def api() -> Iterator[CommentsApi]:
    with comments_api("project-token") as running:
        yield running


def pipeline(project: SmallProject, work: Path, api: str, settings: dict[str, str]) -> dict[str, list[Job]]:
    """Commit everything, and run a pipeline."""
    known = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "--allow-empty", "-m", "A change"],
    ):
        subprocess.run([*known, *words], cwd=project.root, check=True, capture_output=True)
    state = project.running.state
    assert state.prefect is not None
    given = {
        "CI_API_V4_URL": api,
        "CI_DEFAULT_BRANCH": "main",
        "CI_PIPELINE_ID": "7",
        "CI_PROJECT_ID": "34",
        "FLOWYARD_GITLAB_TOKEN": "project-token",
        "FLOWYARD_ROOT": str(ROOT),
        "FLOWYARD_TARGET": "local",
        "PREFECT_API_URL": f"http://127.0.0.1:{state.prefect.port}/api",
    }
    return Pipeline(TEMPLATE, {**given, **settings}, project.root, work).run()


def test_a_merge_request_is_planned_and_built_and_its_merge_shipped(
    project: SmallProject, api: CommentsApi, tmp_path: Path
) -> None:
    project.registry(registry=f'{{ type = "oci", url = "{project.host}/gitlab" }}', prefect="{}")
    project.write(".gitignore", "/.flowyard/\n/registry.local.toml\n")
    project.flow("gl_good")
    project.flow("gl_broken", BROKEN)
    jobs = pipeline(project, tmp_path / "first", api.url, MERGE_REQUEST)
    (plan,) = jobs["plan"]
    assert plan.ok, plan.log
    assert plan.variables["FLOWYARD_FLOWS"] == "gl_broken gl_good"
    (note,) = api.bodies.values()
    assert "**2 of 2 flows would change.**" in note
    assert [job.ok for job in jobs["build"]] == [False, True, True, True]
    assert "nothing to build here" in jobs["build"][3].log
    (finding,) = json.loads(jobs["build"][0].artifact("codequality.json"))
    assert finding["location"] == {"path": "flows/gl_broken/flow.py", "lines": {"begin": 3}}
    assert "section_start:" in jobs["build"][0].log
    assert project.deployments() == {}

    (project.root / "flows/gl_broken/flow.py").unlink()
    (project.root / "flows/gl_broken").rmdir()
    jobs = pipeline(project, tmp_path / "second", api.url, MERGE)
    assert list(jobs) == ["ship"]
    (ship,) = jobs["ship"]
    assert ship.ok, ship.log
    image = project.deployment("gl_good")["job_variables"]["image"]
    assert json.loads(ship.artifact("outputs.json"))["images"] == {"gl_good": image}
    assert ship.variables["FLOWYARD_FLOWS"] == "gl_good"
    assert len(api.bodies) == 1


def test_which_jobs_a_pipeline_has() -> None:
    rule = '$CI_PIPELINE_SOURCE != "merge_request_event" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH'
    settings = {"CI_DEFAULT_BRANCH": "main"}
    assert fits(rule, {**settings, **MERGE})
    assert not fits(rule, {**settings, **MERGE_REQUEST})
    assert not fits(rule, {**settings, **MERGE, "CI_COMMIT_BRANCH": "feature"})
