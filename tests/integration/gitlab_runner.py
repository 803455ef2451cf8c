"""Runs the jobs of a pipeline of GitLab on this machine: the lines of its scripts as they are written.

It knows the keywords that our template uses and refuses all others. Each job starts from a fresh clone, with the
artifacts and variables of the jobs it needs.
"""

from __future__ import annotations

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

Json = Any
_OF_THE_CALLER = re.compile(r"(PREFECT_|GITHUB_|GITLAB_|CI_|AWS_)")
_VARIABLE = re.compile(r"\$(\w+)")
_JOB_KEYS = {
    *("stage", "extends", "interruptible", "rules", "script", "artifacts", "needs", "parallel", "services"),
    *("resource_group", "environment", "id_tokens", "variables"),
}


@dataclass
class Job:
    """What a job left: its output, and its folder with the artifacts."""

    name: str
    folder: Path
    log: str
    ok: bool
    variables: dict[str, str] = field(default_factory=dict)

    def artifact(self, name: str) -> str:
        """The text of a file below .flowyard/ci."""
        return (self.folder / ".flowyard/ci" / name).read_text("utf-8")


@dataclass
class Pipeline:
    """One pipeline. `settings` are the project's variables, which come before those of the file."""

    file: Path
    settings: Mapping[str, str]
    origin: Path
    work: Path
    jobs: dict[str, list[Job]] = field(default_factory=dict)

    def run(self) -> dict[str, list[Job]]:
        """Run the jobs whose rules fit, stage by stage; after a failure no further stage."""
        document = yaml.safe_load(self.file.read_text("utf-8"))
        top, stages = document.pop("variables"), document.pop("stages")
        default = document.pop("default")
        jobs = {name: self._extended(document, job) for name, job in document.items() if name[0] != "."}
        for stage in stages:
            if not all(job.ok for done in self.jobs.values() for job in done):
                break
            for name, job in jobs.items():
                if job["stage"] == stage and any(fits(rule["if"], self.settings) for rule in job["rules"]):
                    self.jobs[name] = list(self._run_job(name, job, {**default, "variables": top}))
        return self.jobs

    def _extended(self, document: Mapping[str, Json], job: Mapping[str, Json]) -> dict[str, Json]:
        assert set(job) <= _JOB_KEYS, set(job) - _JOB_KEYS
        return {**(document[job["extends"]] if "extends" in job else {}), **job}

    def _run_job(self, name: str, job: Mapping[str, Json], default: Mapping[str, Json]) -> Iterator[Job]:
        total = job.get("parallel", 1)
        for number in range(1, total + 1):
            folder = self.work / f"{name}-{number}"
            subprocess.run(["git", "clone", "--quiet", self.origin.as_uri(), str(folder)], check=True)
            # What this network needs; no part of the repository.
            shutil.copy(self.origin / LOCAL_FILE, folder)
            given = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": str(total), "CI_PROJECT_DIR": str(folder)}
            for needed in (self.jobs[need][0] for need in job.get("needs", ())):
                shutil.copytree(needed.folder / ".flowyard/ci", folder / ".flowyard/ci")
                given |= needed.variables
            tokens = {token: f"token for {about['aud']}" for token, about in job.get("id_tokens", {}).items()}
            yield self._run(name, job, default, {**given, **tokens})

    def _run(
        self, name: str, job: Mapping[str, Json], default: Mapping[str, Json], given: Mapping[str, str]
    ) -> Job:
        folder = Path(given["CI_PROJECT_DIR"])
        variables = {
            key: _VARIABLE.sub(lambda found: given.get(found[1], ""), value)
            for key, value in default["variables"].items()
        }
        kept = {key: value for key, value in os.environ.items() if not _OF_THE_CALLER.match(key)}
        # The engine is this machine's, so what `.with-engine` sets is left out.
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join([*default["before_script"], *job["script"]])],
            cwd=folder,
            env={**kept, "CI": "true", "GITLAB_CI": "true", **variables, **given, **self.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        reports = job["artifacts"]["reports"]
        ran = "nothing to build here" not in done.stdout
        for report in reports.values():
            assert not ran or (folder / report).is_file(), f"{report} is not there\n{done.stdout}"
        lines = (folder / reports["dotenv"]).read_text().splitlines() if "dotenv" in reports else []
        left = dict(line.split("=", 1) for line in lines)
        return Job(name, folder, done.stdout, done.returncode == 0, left)


def fits(rule: str, variables: Mapping[str, str]) -> bool:
    """Whether a rule's condition holds: comparisons of variables and texts, joined by `&&`."""

    def value(word: str) -> str:
        return variables.get(word[1:], "") if word.startswith("$") else word.strip('"')

    held = []
    for part in rule.split("&&"):
        left, comparison, right = part.split()
        assert comparison in ("==", "!="), rule
        held.append((value(left) == value(right)) == (comparison == "=="))
    return all(held)
