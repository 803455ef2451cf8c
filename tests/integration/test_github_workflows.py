"""The workflows of .github, run step by step from a fresh clone of a small repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.comments_api import CommentsApi, comments_api
from tests.integration.pipeline_projects import SmallProject
from tests.integration.workflow_runner import TOKEN, Event, Job, Workflow
from tests.integration.yard import ROOT

pytest_plugins = ("tests.integration.pipeline_fixtures",)

WORKFLOWS = ROOT / ".github/workflows"
COPIES = ROOT / "examples/github"
ROLE = "arn:aws:iam::123456789012:role/acme-flows-production-ci"
BROKEN = "from prefect import flow\n\nimport nowhere_to_be_found\n\n\n@flow\ndef wf_broken(): ...\n"


@pytest.fixture
def api() -> Iterator[CommentsApi]:
    with comments_api(TOKEN) as running:
        yield running


class Repository:
    """A repository whose target needs no service of the checkout: its addresses are settings of the CI."""

    def __init__(self, project: SmallProject, work: Path, api: str) -> None:
        self.project = project
        self._work = work
        self._api = api
        self._runs = 0
        project.registry(registry=f'{{ type = "oci", url = "{project.host}/workflows" }}', prefect="{}")
        project.write(".gitignore", "/.flowyard/\n/registry.local.toml\n")
        self._git("init", "--quiet", "--initial-branch=main")

    def _git(self, *words: str) -> None:
        known = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *known, *words], cwd=self.project.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "A change")

    def run(
        self, name: str, event: str, payload: dict[str, object], folder: Path = WORKFLOWS
    ) -> dict[str, list[Job]]:
        """Run a workflow for an event; its jobs by name."""
        self._runs += 1
        state = self.project.running.state
        assert state.prefect is not None
        variables = {"FLOWYARD_TARGET": "local", "AWS_REGION": "eu-west-1"}
        variables |= dict.fromkeys(("AWS_ROLE_ARN", "AWS_PLAN_ROLE_ARN"), ROLE)
        secrets = {"PREFECT_API_URL": f"http://127.0.0.1:{state.prefect.port}/api"}
        started = Event(event, payload, "refs/heads/main", variables, secrets)
        work = self._work / str(self._runs)
        return Workflow(folder / name, started, self.project.root, work, self._api).run()


@pytest.fixture
def repository(project: SmallProject, tmp_path: Path, api: CommentsApi) -> Repository:
    return Repository(project, tmp_path / "work", api.url)


def pull_request(repository: str = "acme/flows") -> dict[str, object]:
    return {"pull_request": {"number": 12, "head": {"repo": {"full_name": repository}}}}


def test_a_merge_is_shipped_by_one_job_or_by_several(repository: Repository) -> None:
    project = repository.project
    project.flow("wf_shipped")
    repository.commit()
    (job,) = repository.run("ship.yml", "push", {})["ship"]
    assert job.result == "success", job.log
    image = project.deployment("wf_shipped")["job_variables"]["image"]
    assert json.loads(job.outputs["flows"]) == ["wf_shipped"]
    assert json.loads(job.outputs["images"]) == {"wf_shipped": image}
    assert project.deployment("wf_shipped")["labels"]["flowyard.commit"] != ""
    assert "**1 shipped, 0 unchanged, 0 failed.**" in job.summary
    steps = job.log.partition("::group::Steps\n")[2].partition("::endgroup::\n")
    assert "wf_shipped: registered wf-shipped/default" in steps[0]
    assert "target local: 1 shipped" in steps[2]

    # A run that GitHub dropped is made up for by the next one, which has nothing else to do.
    (again,) = repository.run("ship.yml", "push", {})["ship"]
    assert (again.result, again.outputs["flows"]) == ("success", "[]")
    assert json.loads(again.outputs["images"]) == {"wf_shipped": image}
    ship_in_several_jobs(repository)


def ship_in_several_jobs(repository: Repository) -> None:
    """What is left for the last job is what needs no build: here a flow whose folder is gone."""
    project = repository.project
    shutil.rmtree(project.root / "flows/wf_shipped")
    project.flow("wf_left")
    project.flow("wf_right")
    repository.commit()
    jobs = repository.run("ship-split.yml", "push", {}, COPIES)
    assert [(name, [job.result for job in found]) for name, found in jobs.items()] == [
        ("plan", ["success"]),
        ("ship", ["success", "success"]),
        ("rest", ["success"]),
    ], jobs["ship"][0].log
    assert [json.loads(job.steps[-1].outputs["flows"]) for job in jobs["ship"]] == [["wf_left"], ["wf_right"]]
    assert json.loads(jobs["rest"][0].steps[-1].outputs["flows"]) == ["wf_shipped"]
    assert sorted(project.deployments()) == ["wf_left/default", "wf_right/default"]


def test_a_pull_request_is_planned_built_and_commented(repository: Repository, api: CommentsApi) -> None:
    project = repository.project
    project.flow("wf_good")
    project.flow("wf_broken", BROKEN)
    repository.commit()
    jobs = repository.run("plan.yml", "pull_request", pull_request())
    (plan,) = jobs["plan"]
    assert (plan.result, plan.outputs["builds"]) == ("success", "2"), plan.log
    assert json.loads(plan.outputs["matrix"]) == {
        "include": [{"group": "1 of 2", "flows": "wf_broken"}, {"group": "2 of 2", "flows": "wf_good"}]
    }
    (comment,) = api.bodies.values()
    assert "**2 of 2 flows would change.**" in comment
    assert plan.summary in comment
    broken, good = jobs["build"]
    assert (broken.result, good.result) == ("failure", "success"), good.log
    (annotation,) = [line for line in broken.log.splitlines() if line.startswith("::error")]
    assert annotation.startswith("::error file=flows/wf_broken/flow.py,line=3,title=wf_broken::")
    assert "No module named 'nowhere_to_be_found'" in annotation
    shown = broken.log.partition("::group::wf_broken: build log\n::stop-commands::")[2]
    assert "ModuleNotFoundError" in shown
    assert "<code>wf_broken</code> failed** (CheckFailed)" in broken.summary
    assert "**1 built, 0 unchanged, 0 failed.**" in good.summary
    assert (jobs["build-fork"][0].result, project.deployments()) == ("skipped", {})

    project.flow("wf_broken")
    (project.root / "flows/wf_good/flow.py").unlink()
    project.write("flows/wf_good/flow.toml", "bse = 1\n")
    repository.commit()
    (plan,) = repository.run("plan.yml", "pull_request", pull_request())["plan"]
    assert plan.result == "failure"
    assert "::error file=flows/wf_good/flow.toml,line=1,title=Flowyard::" in plan.log
    (comment,) = api.bodies.values()  # the same one, which now says that
    assert "bse" in comment
    assert "would change" not in comment


def test_a_pull_request_from_a_fork_gets_no_secret_and_is_built(
    repository: Repository, api: CommentsApi
) -> None:
    repository.project.flow("wf_fork")
    repository.commit()
    jobs = repository.run("plan.yml", "pull_request", pull_request("somebody/flows"))
    assert [(name, [job.result for job in found]) for name, found in jobs.items()] == [
        ("plan", ["skipped"]),
        ("build", ["skipped"]),
        ("build-fork", ["success"]),
    ]
    assert json.loads(jobs["build-fork"][0].steps[-1].outputs["flows"]) == ["wf_fork"]
    assert api.asked == []
