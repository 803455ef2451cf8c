"""A project that is shipped to ECR and ECS, with a Prefect server and a worker: in the stand-in, or in an account.

What tests ask of it is the same in both, so that what holds in the one can be held against the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowyard.ports import PrefectApi
from flowyard.target import EcsSettings, Target
from flowyard.values import FINAL_STATES, Json
from tests.aws.ecs_executor import EcsExecutor
from tests.aws.ecs_worker import EcsWorker
from tests.integration.yard import ROOT

TARGET = "production"
SECRET_VARIABLE = "DB_PASSWORD"
_PATIENCE = 180.0
# What describes one revision and is no part of the next.
_OF_A_REVISION = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "compatibilities",
        "requiresAttributes",
        "registeredAt",
        "registeredBy",
        "family",
        "placementConstraints",
    }
)
FLOW = '''"""Made by a test."""

import hashlib
import os
import signal
import time

from prefect import flow


@flow(log_prints=True)
def etl(mode: str = "ok") -> dict[str, object]:
    """Do what the mode says."""
    print(f"mode {mode}")
    if mode == "raise":
        raise ValueError("no orders")
    if mode == "exit":
        os._exit(17)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "memory":
        print(len([bytearray(1_000_000) for _ in range(6_000)]))
    if mode == "sleep":
        try:
            time.sleep(120)
        finally:
            print("told to stop")
    secret = os.environ.get("DB_PASSWORD", "")
    return {
        "secret": hashlib.sha256(secret.encode()).hexdigest(),
        "arn in sight": "arn:" in secret,
        "rows": [1, 2, 3],
    }
'''
DEPLOYMENTS = """
[deployments.daily]
resources = { cpu = 0.25, memory = "1Gi" }

[deployments.other]
resources = { cpu = 0.25, memory = "1Gi" }
"""


@dataclass(frozen=True)
class Site:
    """The project, shipped with the program as users start it (`shipped`), and a worker that runs what is triggered.

    `secret` is the value its tasks are to be given. `environment` are the variables of a caller of AWS; `client` a
    boto3 client for looking; `stand_in` is what runs the tasks, None in a real account.
    """

    root: Path
    target: Target
    shipped: subprocess.CompletedProcess[str]
    secret: str
    prefect: PrefectApi
    worker: EcsWorker
    environment: Callable[[str], Mapping[str, str]]
    client: Callable[[str], Any]
    stand_in: EcsExecutor | None

    @property
    def ecs(self) -> EcsSettings:
        assert self.target.ecs is not None
        return self.target.ecs

    def program(self, *words: str, caller: str = "ci") -> subprocess.CompletedProcess[str]:
        """Run `python build.py ... --target production` in the project's folder, to its end."""
        return run_program(self.root, (*words, "--target", TARGET), self.environment(caller))

    def deployment(self, name: str = "daily") -> dict[str, Json]:
        """A deployment of the flow as Prefect holds it."""
        return dict(self.prefect.request("GET", f"/deployments/name/etl/{name}"))

    def trigger(self, mode: str = "ok", **variables: Json) -> str:
        """Start a run, with job variables of its own; its id."""
        body = {
            "parameters": {"mode": mode},
            "state": {"type": "SCHEDULED"},
            "job_variables": variables,
        }
        path = f"/deployments/{self.deployment()['id']}/create_flow_run"
        return str(self.prefect.request("POST", path, body)["id"])

    def read(self, run: str) -> dict[str, Json]:
        return dict(self.prefect.request("GET", f"/flow_runs/{run}"))

    def until(self, run: str, *types: str) -> dict[str, Json]:
        """The run when its state is of one of these types, or a final one when none is given."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.read(run))["state"]["type"] not in (types or FINAL_STATES):
            assert time.monotonic() < deadline, (found["state"], self.worker.text()[-4000:])
            time.sleep(0.2)
        return found

    def task(self, run: str) -> dict[str, Json]:
        """The task of a run, as soon as it has stopped."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            cluster, _, arn = str(self.read(run)["infrastructure_pid"]).partition("::")
            found = self.client("ecs").describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
            if found["lastStatus"] == "STOPPED":
                return dict(found)
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def logs(self, run: str) -> list[str]:
        """The messages that Prefect holds of a run."""
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [one["message"] for one in self.prefect.request("POST", "/logs/filter", wanted)]

    def until_told(self, run: str, words: str, message: str) -> None:
        """Wait until Prefect has these words of a run, in the message of its state or in its log.

        What is logged is sent in batches: it may come after the state that ends the run.
        """
        deadline = time.monotonic() + _PATIENCE
        told = [message]
        while not any(words in text for text in told):
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
            told = [message, *self.logs(run)]

    def definition(self, name: str = "daily") -> dict[str, Json]:
        """The task definition that a deployment names."""
        arn = self.deployment(name)["job_variables"]["task_definition_arn"]
        return dict(self.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])

    def revisions(self) -> list[str]:
        """The active task definitions of the flow's deployments."""
        ecs = self.client("ecs")
        families = {self.definition(name)["family"] for name in ("daily", "other")}
        return sorted(
            arn
            for family in families
            for arn in ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
        )

    def variant(self, change: Callable[[dict[str, Json]], None]) -> str:
        """Register a definition like that of `daily`, with one change to its container; its ARN."""
        known = {name: value for name, value in self.definition().items() if name not in _OF_A_REVISION}
        copy = json.loads(json.dumps(known))
        change(copy["containerDefinitions"][0])
        made = self.client("ecs").register_task_definition(**copy, family="flowyard-tests-variant")
        return str(made["taskDefinition"]["taskDefinitionArn"])


def run_program(
    root: Path, words: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `python build.py` with these words in a project's folder, to its end."""
    return subprocess.run(
        [sys.executable, "build.py", *words],
        cwd=root,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
