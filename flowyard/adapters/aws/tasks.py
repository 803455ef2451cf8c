"""Tasks of Amazon ECS as `run` looks at them, and what they wrote to CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flowyard.adapters.aws.session import AwsSession
from flowyard.errors import AwsRefused
from flowyard.running.task_watch import LogPlace, TaskContainer, TaskState
from flowyard.values import Json

TRIES = 2  # whoever follows a run asks again soon anyway
_CONTAINER = "prefect"  # what Prefect calls the one that runs the flow
_NOTHING_THERE = "ResourceNotFoundException"


class EcsTasks:
    """Tasks, by the place Prefect notes of a run: `cluster::ARN`. Every ARN names its region."""

    def __init__(self) -> None:
        self._sessions: dict[str, AwsSession] = {}

    def describe(self, place: str) -> TaskState | None:
        """As Tasks.describe."""
        cluster, _, arn = place.partition("::")
        if not arn.startswith("arn:"):
            return None  # of a push pool that notes something else
        answer = self._call(arn, "ecs", "DescribeTasks", arn, cluster=cluster, tasks=[arn])
        return next(map(_state, answer["tasks"]), None)

    def log(self, task: TaskState) -> LogPlace | None:
        """As Tasks.log: where the definition sends the output of the container that runs the flow."""
        arn = task.definition
        answer = self._call(arn, "ecs", "DescribeTaskDefinition", arn, taskDefinition=arn)
        containers: list[Mapping[str, Json]] = answer["taskDefinition"]["containerDefinitions"]
        container = next((one for one in containers if one["name"] == _CONTAINER), containers[0])
        configured = container.get("logConfiguration") or {}
        options = configured.get("options") or {}
        prefix = options.get("awslogs-stream-prefix")
        if configured.get("logDriver") != "awslogs" or not prefix:
            return None
        region = options.get("awslogs-region") or _region(arn)
        return LogPlace(options["awslogs-group"], f"{prefix}/{container['name']}/{task.id}", region)

    def lines(self, place: LogPlace, most: int) -> tuple[str, ...]:
        """As Tasks.lines."""
        wanted = {"logGroupName": place.group, "logStreamName": place.stream, "limit": most}
        session = self._session(place.region)
        try:
            answer = session.call("logs", "GetLogEvents", place.stream, **wanted, startFromHead=False)
        except AwsRefused as error:
            if error.code == _NOTHING_THERE:
                return ()
            raise
        return tuple(str(event["message"]) for event in answer["events"])

    def _call(self, arn: str, service: str, action: str, resource: str, **parameters: Json) -> Json:
        return self._session(_region(arn)).call(service, action, resource, **parameters)

    def _session(self, region: str) -> AwsSession:
        if region not in self._sessions:
            self._sessions[region] = AwsSession(region, TRIES)
        return self._sessions[region]


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _state(task: Mapping[str, Json]) -> TaskState:
    return TaskState(
        arn=task["taskArn"],
        definition=task["taskDefinitionArn"],
        status=task["lastStatus"],
        stop_code=task.get("stopCode", ""),
        reason=task.get("stoppedReason", ""),
        containers=tuple(
            TaskContainer(one["name"], one.get("exitCode"), one.get("reason", ""))
            for one in task["containers"]
        ),
        moments={name: at.timestamp() for name, at in task.items() if isinstance(at, datetime)},
    )
