"""Runs the jobs of a GitHub workflow on this machine: the run steps as they are written, the rest by stand-ins.

It knows what our workflows use and refuses everything else, so that a step it does not run cannot pass. Each job
starts from a fresh clone. What it cannot show is GitHub itself: its runners, its tokens, its own checks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flowyard.configuration.paths import LOCAL_FILE
from tests.integration.yard import ROOT

TOKEN = "token-of-the-job"
_OF_THE_CALLER = re.compile(r"(PREFECT_|GITHUB_|GITLAB_|CI_|AWS_)")
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_WORDS = re.compile(r"'(?:[^']|'')*'|[A-Za-z_][\w.-]*(?!\w|\s*\()|&&|\|\||!(?!=)")
_SAID = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False", "null": "None"}
Json = Any


@dataclass
class Step:
    """What a step left: its output as it was printed, its outputs, and whether it went well."""

    name: str
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    ok: bool = True


@dataclass
class Job:
    """What a job left. `result` is as GitHub has it; `summary` is what its steps wrote for people."""

    name: str
    result: str
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def log(self) -> str:
        return "".join(step.log for step in self.steps)


@dataclass(frozen=True)
class Event:
    """What a workflow is started by, and what the repository's settings hold."""

    name: str
    payload: Mapping[str, Json]
    ref: str
    variables: Mapping[str, str]
    secrets: Mapping[str, str]


@dataclass
class Workflow:
    """One run of a workflow. `origin` is the repository that is cloned, `api` what GitHub's own is replaced by."""

    file: Path
    event: Event
    origin: Path
    work: Path
    api: str
    jobs: dict[str, list[Job]] = field(default_factory=dict)

    def run(self) -> dict[str, list[Job]]:
        """Run all jobs in order: the jobs of a matrix under one name."""
        document = yaml.safe_load(self.file.read_text("utf-8"))
        assert self.event.name in document[True], "YAML reads `on` as a truth"
        assert document["permissions"] == {}, "what a job may is said by the job"
        for name, job in document["jobs"].items():
            assert set(job) <= _JOB_KEYS, f"{name}: {set(job) - _JOB_KEYS}"
            self.jobs[name] = list(self._run_job(name, job))
        return self.jobs

    def _run_job(self, name: str, job: Mapping[str, Json]) -> Iterator[Job]:
        contexts = self._contexts(job)
        needed = job.get("needs") or []
        results = [
            one.result
            for need in ([needed] if isinstance(needed, str) else needed)
            for one in self.jobs[need]
        ]
        condition = str(job.get("if", "true"))
        wanted = evaluated(condition, contexts) not in (False, "", "false")
        if not wanted or ("cancelled()" not in condition and set(results) - {"success"}):
            yield Job(name, "skipped")
            return
        matrix = evaluated((job.get("strategy") or {}).get("matrix", {}), contexts) or {}
        assert set(matrix) <= {"include"}
        for number, entry in enumerate(matrix.get("include", [{}])):
            machine = Machine(self, job, self.work / f"{name}-{number}", {**contexts, "matrix": entry})
            yield machine.run(name)

    def _contexts(self, job: Mapping[str, Json]) -> dict[str, Json]:
        needs = {
            name: {"outputs": jobs[0].outputs, "result": jobs[0].result}
            for name, jobs in self.jobs.items()
            if jobs
        }
        github = {
            "event": self.event.payload,
            "event_name": self.event.name,
            "ref": self.event.ref,
            "repository": "acme/flows",
            "run_id": "7",
            "token": TOKEN if (job.get("permissions") or {}) else "",
        }
        return {"github": github, "needs": needs, "vars": self.event.variables, "secrets": self.event.secrets}


_JOB_KEYS = {
    *("name", "if", "needs", "runs-on", "timeout-minutes", "environment", "permissions", "strategy"),
    *("outputs", "steps"),
}
_STEP_KEYS = {"name", "id", "if", "uses", "with", "env", "run", "shell"}


class Machine:
    """One job on a machine of its own: a folder, and the files in which steps leave what they want kept."""

    def __init__(
        self, workflow: Workflow, job: Mapping[str, Json], folder: Path, contexts: dict[str, Json]
    ) -> None:
        self._workflow = workflow
        self._job = job
        self._folder = folder
        self._contexts = contexts
        self._workspace = folder / "workspace"
        self._environment: dict[str, str] = {}  # what steps export for those after them
        self._made: list[Step] = []

    def run(self, name: str) -> Job:
        """Run the steps until one fails."""
        self._workspace.mkdir(parents=True)
        (self._folder / "event.json").write_text(json.dumps(self._workflow.event.payload))
        steps: dict[str, Json] = {}
        contexts = {**self._contexts, "steps": steps}
        result = "success"
        for step in self._job["steps"]:
            if evaluated(step.get("if", "true"), contexts) in (False, ""):
                continue
            done = self._step(step, contexts, {})
            steps[step.get("id", "-")] = {"outputs": done.outputs}
            if not done.ok:
                result = "failure"
                break
        outputs = {key: evaluated(value, contexts) for key, value in (self._job.get("outputs") or {}).items()}
        summary = self._folder / "summary"
        return Job(name, result, self._made, outputs, summary.read_text("utf-8") if summary.exists() else "")

    def _step(self, step: Mapping[str, Json], contexts: dict[str, Json], env: Mapping[str, str]) -> Step:
        assert set(step) <= _STEP_KEYS, set(step) - _STEP_KEYS
        env = {**env, **{key: text(evaluated(value, contexts)) for key, value in step.get("env", {}).items()}}
        if "run" in step:
            assert not _EXPRESSION.search(step["run"]), "what others write must not become part of a script"
            return self._run(step, {**env})
        given = {key: text(evaluated(value, contexts)) for key, value in step.get("with", {}).items()}
        action, _, _ = step["uses"].partition("@")
        assert action.startswith("$/") or _PINNED.fullmatch(step["uses"]), (
            f"{step['uses']}: not pinned by commit"
        )
        if action == "actions/checkout":
            return self._checkout(given)
        if action == "aws-actions/configure-aws-credentials":
            return self._become(given)
        if action.endswith("/.github/actions/flowyard"):
            return self._composite(given, contexts, env)
        raise AssertionError(f"no stand-in is known for {step['uses']}")

    def _checkout(self, given: Mapping[str, str]) -> Step:
        assert given.pop("persist-credentials") == "false"  # type: ignore[attr-defined]
        depth = ["--depth=1"] if given.get("fetch-depth", "1") != "0" else []
        ref = self._workflow.event.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        origin = self._workflow.origin
        subprocess.run(
            ["git", "clone", "--quiet", *depth, "--branch", ref, origin.as_uri(), str(self._workspace)],
            check=True,
        )
        # What this network needs; no part of the repository.
        shutil.copy(origin / LOCAL_FILE, self._workspace)
        return self._done(Step("checkout"))

    def _become(self, given: Mapping[str, str]) -> Step:
        assert self._job["permissions"].get("id-token") == "write"
        assert given["role-to-assume"].startswith("arn:aws:iam::")
        self._environment |= {"AWS_ACCESS_KEY_ID": "for-an-hour", "AWS_REGION": given["aws-region"]}
        return self._done(Step("become the role"))

    def _composite(self, given: Mapping[str, str], contexts: dict[str, Json], env: Mapping[str, str]) -> Step:
        folder = ROOT / ".github/actions/flowyard"
        action = yaml.safe_load((folder / "action.yml").read_text("utf-8"))
        assert set(given) <= set(action["inputs"]), set(given) - set(action["inputs"])
        inputs = {}
        for name, about in action["inputs"].items():
            assert name in given or not about.get("required"), f"input {name} is required"
            inputs[name] = given.get(name, text(evaluated(about.get("default", ""), contexts)))
        steps: dict[str, Json] = {}
        inner = {**contexts, "inputs": inputs, "steps": steps}
        for step in action["runs"]["steps"]:
            done = self._step(step, inner, {**env, "GITHUB_ACTION_PATH": str(folder)})
            steps[step.get("id", "-")] = {"outputs": done.outputs}
            if not done.ok:
                break
        values = {name: text(evaluated(about["value"], inner)) for name, about in action["outputs"].items()}
        return Step("composite", outputs=values, ok=done.ok)

    def _run(self, step: Mapping[str, Json], env: Mapping[str, str]) -> Step:
        output = self._folder / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self._workspace,
            env={**self._base(output), **self._environment, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        lines = output.read_text("utf-8").splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        return self._done(Step(step.get("name", ""), done.stdout, outputs, done.returncode == 0))

    def _done(self, step: Step) -> Step:
        self._made.append(step)
        return step

    def _base(self, output: Path) -> dict[str, str]:
        """What every step finds in its environment."""
        kept = {name: value for name, value in os.environ.items() if not _OF_THE_CALLER.match(name)}
        return {
            **kept,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self._workflow.api,
            "GITHUB_EVENT_PATH": str(self._folder / "event.json"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REPOSITORY": "acme/flows",
            "GITHUB_STEP_SUMMARY": str(self._folder / "summary"),
            "GITHUB_WORKSPACE": str(self._workspace),
        }


def evaluated(value: Json, contexts: Mapping[str, Json]) -> Json:
    """A value of a workflow with its expressions evaluated. Conditions need no braces around them."""
    if not isinstance(value, str):
        return value
    whole = _EXPRESSION.fullmatch(value.strip())
    if whole:
        return expression(whole[1], contexts)
    return _EXPRESSION.sub(lambda found: text(expression(found[1], contexts)), value)


def expression(source: str, contexts: Mapping[str, Json]) -> Json:
    """What an expression comes to. What is not there is an empty text, as on GitHub."""

    def get(path: str) -> Json:
        found: Json = contexts
        for name in path.split("."):
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        return found

    def python(found: re.Match[str]) -> str:
        word = found[0]
        if word.startswith("'"):
            return repr(word[1:-1].replace("''", "'"))
        return _SAID.get(word) or f"get({word!r})"

    known = {"get": get, "fromJSON": json.loads, "cancelled": lambda: False, "__builtins__": {}}
    return eval(_WORDS.sub(python, source).strip(), known)


def text(value: Json) -> str:
    """A value as it stands in an environment or in a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
