"""An account in which tasks run: a cluster, a network, roles, a log group, and the queue of task events.

Whoever looks at it does so as the tests' judge: none of its calls is recorded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from flowyard.values import Json
from tests.aws.api import REGION, AwsApi
from tests.aws.calls import ACCOUNT
from tests.aws.ecs_executor import QUEUE

CLUSTER = "flows"
LOG_GROUP = "/flows/tests"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
TASK_ROLE = f"arn:aws:iam::{ACCOUNT}:role/flows"
_PATIENCE = 90.0


@dataclass(frozen=True)
class EcsAccount:
    """What tests of tasks start from and look at. Its parts are made by `prepare`."""

    api: AwsApi

    def prepare(self, *, queue: bool = True) -> None:
        """Make cluster, log group and queue; a default VPC with subnets is there as in every account."""
        providers = ["FARGATE", "FARGATE_SPOT"]
        self._client("ecs").create_cluster(clusterName=CLUSTER, capacityProviders=providers)
        self._client("logs").create_log_group(logGroupName=LOG_GROUP)
        if queue:
            self.make_queue()

    def make_queue(self) -> None:
        """The queue that a rule of EventBridge sends task events to."""
        self._client("sqs").create_queue(QueueName=QUEUE)

    def subnets(self) -> list[str]:
        return [one["SubnetId"] for one in self._client("ec2").describe_subnets()["Subnets"]]

    def secret(self, name: str, value: str) -> str:
        """Keep a secret in Secrets Manager; its ARN."""
        made = self._client("secretsmanager").create_secret(Name=name, SecretString=value)
        return str(made["ARN"])

    def definition(self, image: str, container: Mapping[str, Json], **changes: Json) -> dict[str, Json]:
        """A task definition for Fargate with one container, as RegisterTaskDefinition takes it."""
        options = {
            "awslogs-group": LOG_GROUP,
            "awslogs-region": REGION,
            "awslogs-stream-prefix": "tests",
        }
        first = {
            "name": "prefect",
            "image": image,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        definition = {
            "family": "tests",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": EXECUTION_ROLE,
            "containerDefinitions": [first],
            **changes,
        }
        return {name: value for name, value in definition.items() if value is not None}

    def register(self, definition: Mapping[str, Json]) -> str:
        """Register a task definition; its ARN."""
        made = self._client("ecs").register_task_definition(**definition)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, **changes: Json) -> str:
        """Run one task of a registered definition on Fargate; its ARN."""
        network = {"awsvpcConfiguration": {"subnets": self.subnets()[:1], "assignPublicIp": "ENABLED"}}
        request = {
            "cluster": CLUSTER,
            "launchType": "FARGATE",
            "taskDefinition": definition,
            "networkConfiguration": network,
            **changes,
        }
        wanted = {name: value for name, value in request.items() if value is not None}
        return str(self._client("ecs").run_task(**wanted)["tasks"][0]["taskArn"])

    def describe(self, task: str, *, tags: bool = False) -> dict[str, Json]:
        include = ["TAGS"] if tags else []
        found = self._client("ecs").describe_tasks(cluster=CLUSTER, tasks=[task], include=include)
        return dict(found["tasks"][0])

    def until(self, task: str, status: str) -> dict[str, Json]:
        """The task when it has come to this status. It must, within a while."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.describe(task))["lastStatus"] != status:
            assert time.monotonic() < deadline, found
            assert found["lastStatus"] != "STOPPED", found
            time.sleep(0.1)
        return found

    def stop(self, task: str, reason: str | None = None) -> None:
        told = {} if reason is None else {"reason": reason}
        self._client("ecs").stop_task(cluster=CLUSTER, task=task, **told)

    def lines(self, task: str, container: str = "prefect") -> list[str]:
        """What the container printed, as CloudWatch Logs holds it."""
        stream = f"tests/{container}/{task.rpartition('/')[2]}"
        found = self._client("logs").get_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True
        )
        return [one["message"] for one in found["events"]]

    def events(self) -> list[dict[str, Json]]:
        """What EventBridge sent since it was last asked, in order."""
        sqs = self._client("sqs")
        url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        found: list[dict[str, Json]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for one in messages:
                found.append(json.loads(one["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return found

    def _client(self, service: str) -> Json:
        return self.api.client(service)
