"""One ECS task as its API describes it: what moto does not keep, containers, exit codes, times, why it stopped."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flowyard.values import Json

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html: each has a time of its own.
MOMENTS = (
    "createdAt",
    "connectivityAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
)


@dataclass
class ContainerState:
    """A container of a task: what DescribeTasks tells of it, and its definition with the overrides in it."""

    name: str
    image: str
    definition: Mapping[str, Json]
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    runtime_id: str = ""
    digest: str = ""

    @property
    def essential(self) -> bool:
        return bool(self.definition.get("essential", True))

    def answer(self, task: str) -> dict[str, Json]:
        known = {
            "name": self.name,
            "image": self.image,
            "imageDigest": self.digest,
            "runtimeId": self.runtime_id,
            "reason": self.reason,
        }
        return {
            "containerArn": f"{task.replace(':task/', ':container/')}/{self.name}",
            "taskArn": task,
            "lastStatus": self.status,
            "healthStatus": "UNKNOWN",
            "networkInterfaces": [],
            "cpu": str(self.definition.get("cpu") or 0),
            # API_Container.html: no exit code as long as it has not exited, nor where it never ran.
            **({} if self.exit_code is None else {"exitCode": self.exit_code}),
            **{name: value for name, value in known.items() if value},
        }


@dataclass
class Task:
    """A task. Its executor changes it, under its lock."""

    cluster: str
    definition: Mapping[str, Json]
    request: Mapping[str, Json]
    launch_type: str
    containers: list[ContainerState]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    version: int = 1
    moments: dict[str, float] = field(default_factory=lambda: {"createdAt": time.time()})

    @property
    def arn(self) -> str:
        """Its ARN, in the long form that names its cluster."""
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids
        return f"{self.cluster.replace(':cluster/', ':task/')}/{self.id}"

    @property
    def tags(self) -> list[dict[str, str]]:
        return list(self.request.get("tags") or ())

    @property
    def overrides(self) -> Mapping[str, Json]:
        overrides: Mapping[str, Json] = self.request.get("overrides") or {}
        return overrides

    @property
    def size(self) -> tuple[str, str]:
        """CPU units and MiB of the whole task, as overridden; empty where nobody said."""
        chosen = [
            str(self.overrides.get(name) or self.definition.get(name) or "") for name in ("cpu", "memory")
        ]
        return chosen[0], chosen[1]

    @property
    def role(self) -> str:
        """The ARN of the role that its code has, or nothing."""
        return str(self.overrides.get("taskRoleArn") or self.definition.get("taskRoleArn") or "")

    def note(self, moment: str) -> None:
        """It came to this point now, if it was not there before."""
        self.moments.setdefault(moment, time.time())

    def answer(self, *, tags: bool) -> dict[str, Json]:
        """As DescribeTasks describes it; times are seconds since the epoch, as in the protocol."""
        cpu, memory = self.size
        strategy = self.request.get("capacityProviderStrategy") or [{}]
        known = {
            "cpu": cpu,
            "memory": memory,
            "stopCode": self.stop_code,
            "stoppedReason": self.stopped_reason,
            "capacityProviderName": strategy[0].get("capacityProvider", ""),
            "startedBy": self.request.get("startedBy", ""),
            "launchType": self.launch_type,
            "platformVersion": "1.4.0" if self.launch_type == "FARGATE" else "",
        }
        return {
            "taskArn": self.arn,
            "clusterArn": self.cluster,
            "taskDefinitionArn": self.definition["taskDefinitionArn"],
            "lastStatus": self.status,
            "desiredStatus": self.desired,
            "connectivity": "CONNECTED",
            "containers": [container.answer(self.arn) for container in self.containers],
            "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **self.overrides},
            "group": self.request.get("group") or f"family:{self.definition['family']}",
            "enableExecuteCommand": bool(self.request.get("enableExecuteCommand")),
            "attachments": [],
            "version": self.version,
            # API_DescribeTasks.html, `include`: "If TAGS is specified, the tags are included in the response."
            "tags": self.tags if tags else [],
            **{name: value for name, value in known.items() if value},
            **{name: self.moments[name] for name in MOMENTS if name in self.moments},
        }

    def event(self) -> str:
        """Its state as EventBridge hands it to a queue."""
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html; there is no tag in it.
        account, region = self.arn.split(":")[4], self.arn.split(":")[3]
        detail = {name: value for name, value in self.answer(tags=False).items() if name != "tags"}
        times = {name: _iso(detail[name]) for name in MOMENTS if name in detail}
        return json.dumps(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "ECS Task State Change",
                "source": "aws.ecs",
                "account": account,
                "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": region,
                "resources": [self.arn],
                "detail": {**detail, **times, "updatedAt": _iso(time.time())},
            }
        )


def with_overrides(definition: Mapping[str, Json], overrides: Mapping[str, Json]) -> ContainerState:
    """A container as its definition and the call together want it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerOverride.html
    """
    override: Mapping[str, Json] = next(
        (one for one in overrides.get("containerOverrides") or () if one.get("name") == definition["name"]),
        {},
    )
    variables = {one["name"]: one["value"] for one in definition.get("environment") or ()}
    variables.update({one["name"]: one["value"] for one in override.get("environment") or ()})
    changed = {name: override[name] for name in ("command", "cpu", "memory") if override.get(name)}
    wanted = {
        **definition,
        **changed,
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
    }
    return ContainerState(str(definition["name"]), str(definition["image"]), wanted)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
