"""prefect-aws's own code over a deployment of ours: from the flow run in a real server to the RunTask it sends.

Everything that a worker does with a run, without its loops: the job configuration is resolved from the pool, the
deployment and the run, and the worker prepares and starts the task. RunTask itself is answered and recorded here.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)
from prefect_aws.workers import ECSWorker, ecs_worker

from flowyard.values import Json
from tests.aws.api import AwsApi, Proceed
from tests.aws.calls import Answer, Call, json_answer
from tests.aws.ecs_rules import check_run

KEY = "the worker's own key"


@dataclass
class StartedTasks:
    """RunTask as it was asked; each request is held to ECS's rules."""

    api: AwsApi
    requests: list[Mapping[str, Json]] = field(default_factory=list)

    def install(self) -> None:
        """Answer RunTask from now on."""
        self.api.answer_with("ecs", "RunTask", self._run)

    def _run(self, call: Call, _: Proceed) -> Answer:
        found = self.api.client("ecs").describe_task_definition(
            taskDefinition=call.parameters["taskDefinition"]
        )
        check_run(call.parameters, found["taskDefinition"])
        self.requests.append(call.parameters)
        task = f"arn:aws:ecs:{call.region}:{call.account}:task/flows/{uuid.uuid4().hex}"
        return json_answer({"tasks": [{"taskArn": task, "clusterArn": "flows"}], "failures": []})


@contextmanager
def as_worker(prefect_api: str) -> Iterator[None]:
    """The settings of a worker that has credentials and a log level of its own."""
    own = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_KEY: KEY,
        PREFECT_API_AUTH_STRING: f"user:{KEY}",
        PREFECT_LOGGING_LEVEL: "ERROR",
    }
    with temporary_settings(updates=own):
        yield


def start_runs(prefect_api: str, pool: str, deployment: str, count: int = 1, *, restarts: int = 1) -> None:
    """Run the deployment so many times, with a worker that is started anew that often."""
    with as_worker(prefect_api):
        for _ in range(restarts):
            ecs_worker._TASK_DEFINITION_CACHE.clear()  # it is kept for as long as a worker lives
            asyncio.run(_start_runs(pool, UUID(deployment), count // restarts))


async def _start_runs(pool: str, deployment: UUID, count: int) -> None:
    worker: Any = ECSWorker(work_pool_name=pool, name="worker")
    async with get_client() as client:
        worker._work_pool = work_pool = await client.read_work_pool(pool)
        for _ in range(count):
            run = await client.create_flow_run_from_deployment(deployment)
            configuration = await worker.job_configuration.resolve_for_flow_run(
                run,
                client=client,
                work_pool=work_pool,
                worker_name=worker.name,
                deployment=await client.read_deployment(deployment),
            )
            ecs = configuration.aws_credentials.get_client("ecs")
            worker._prepare_and_create_task(logging.getLogger("tests"), ecs, configuration, run)
