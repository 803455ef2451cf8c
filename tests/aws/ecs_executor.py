"""ECS that really runs what it is told to run: the actions of its API that moto only pretends to do.

moto keeps clusters and task definitions; tasks are ours. Each becomes a container of the engine here, reports its
states to the queue that prefect-aws's observer reads, and leaves exit codes and reasons behind as ECS does.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import docker
from botocore.exceptions import ClientError

from flowyard.values import Json
from tests.aws.api import JUDGE, AwsApi
from tests.aws.calls import Answer, Call, json_answer, refusal_answer
from tests.aws.ecs_agent import Agent
from tests.aws.ecs_containers import Containers
from tests.aws.ecs_life import Life, Surroundings
from tests.aws.ecs_rules import (
    Refused,
    check_definition,
    check_network,
    check_run,
    client_error,
    invalid,
    is_fargate,
)
from tests.aws.ecs_task import Task, with_overrides
from tests.aws.faults import Refusal

QUEUE = "prefect-ecs-tasks-events"  # what prefect-aws's observer reads unless it is told otherwise
GAP_SECONDS = 0.15
Proceed = Callable[[], Answer]


@dataclass
class EcsExecutor:
    """Answers ECS's calls about tasks and task definitions, and runs the tasks.

    `queue` is the SQS queue that a rule of EventBridge sends task events to; nothing is sent as long as there is
    none of that name. `errors` holds what went wrong in here, which a test is to look at.
    """

    api: AwsApi
    engine: docker.DockerClient
    queue: str = QUEUE
    gap: float = GAP_SECONDS
    errors: list[Exception] = field(default_factory=list)
    _lives: dict[str, Life] = field(default_factory=dict)
    _started: dict[tuple[str, str], list[Life]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._containers = Containers(self.engine)

    def install(self) -> None:
        """Answer from now on, instead of moto. To be said again after a reset of the API."""
        actions: dict[str, Callable[[Call, Proceed], Json | Answer]] = {
            "RegisterTaskDefinition": self._register,
            "DescribeTaskDefinition": self._describe_definition,
            "RunTask": self._run,
            "DescribeTasks": self._describe,
            "ListTasks": self._list,
            "StopTask": self._stop,
        }
        for name, action in actions.items():
            self.api.answer_with("ecs", name, _answering(action))

    def tasks(self) -> list[Task]:
        """All tasks so far, in the order they were asked for."""
        with self._lock:
            return [life.task for life in self._lives.values()]

    def settle(self) -> None:
        """Stop every task, wait for their ends, and remove their containers."""
        for life in list(self._lives.values()):
            life.stop("the tests are over")
        for thread in self._threads:
            thread.join(timeout=60)
        self._containers.remove_all()

    def _register(self, call: Call, proceed: Proceed) -> Answer:
        check_definition(call.parameters, frozenset(self.api.ecr.hosts.values()))
        return proceed()

    def _describe_definition(self, call: Call, proceed: Proceed) -> Json | Answer:
        # API_DescribeTaskDefinition.html, `taskDefinition`: "The family for the latest ACTIVE revision".
        reference = str(call.parameters["taskDefinition"])
        if ":" in reference:
            return proceed()
        found = self._definition(call.region, reference, "Unable to describe task definition.")
        return {"taskDefinition": _timeless(found), "tags": []}

    def _definition(self, region: str, reference: str, missing: str) -> dict[str, Json]:
        ecs = self.api.client("ecs", region)
        if ":" not in reference:
            known = ecs.list_task_definitions(familyPrefix=reference, status="ACTIVE")["taskDefinitionArns"]
            if not known:
                raise client_error(missing)
            reference = max(known, key=lambda arn: int(arn.rpartition(":")[2]))
        try:
            found: dict[str, Json] = ecs.describe_task_definition(taskDefinition=reference)["taskDefinition"]
        except ClientError as error:
            raise client_error(missing) from error
        return found

    def _run(self, call: Call, _: Proceed) -> Json:
        request = dict(call.parameters)
        cluster = self._cluster(call)
        if not request.get("launchType") and not request.get("capacityProviderStrategy"):
            # API_RunTask.html: "If no capacityProviderStrategy or launchType is specified, the
            # defaultCapacityProviderStrategy for the cluster is used."
            request["capacityProviderStrategy"] = cluster.get("defaultCapacityProviderStrategy") or None
        definition = self._definition(
            call.region, str(request["taskDefinition"]), "TaskDefinition not found."
        )
        check_run(request, definition)
        self._check_place(call.region, request, cluster)
        subnets = self.api.client("ec2", call.region).describe_subnets()["Subnets"]
        check_network(request, definition.get("networkMode"), frozenset(one["SubnetId"] for one in subnets))
        with self._lock:
            # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html: a retry after a lost
            # answer, which SDKs send with the same token, starts nothing.
            token = (call.caller, str(request.get("clientToken") or uuid.uuid4()))
            if token not in self._started:
                count = range(request.get("count", 1))
                self._started[token] = [
                    self._start(cluster["clusterArn"], definition, request) for _ in count
                ]
            tasks = [life.task.answer(tags=True) for life in self._started[token]]
        return {"tasks": tasks, "failures": []}

    def _check_place(self, region: str, request: Mapping[str, Json], cluster: Mapping[str, Json]) -> None:
        for one in request.get("capacityProviderStrategy") or ():
            # API_RunTask.html: "a capacity provider ... must already be associated with the cluster"
            if one["capacityProvider"] not in cluster.get("capacityProviders", ()):
                raise invalid(
                    "The specified capacity provider strategy cannot contain a capacity provider that is not "
                    "associated with the cluster. Associate the capacity provider with the cluster and try again."
                )
        if not is_fargate(request):
            name = cluster["clusterName"]
            if not self.api.client("ecs", region).list_container_instances(cluster=name)[
                "containerInstanceArns"
            ]:
                # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
                raise invalid("No Container Instances were found in your cluster.")

    def _cluster(self, call: Call) -> dict[str, Json]:
        name = str(call.parameters.get("cluster") or "default")
        found = self.api.client("ecs", call.region).describe_clusters(clusters=[name])["clusters"]
        if not found or found[0]["status"] != "ACTIVE":
            raise Refused("ClusterNotFoundException", "Cluster not found.")
        return dict(found[0])

    def _start(self, cluster: str, definition: Mapping[str, Json], request: Mapping[str, Json]) -> Life:
        fargate = is_fargate(request)
        task = Task(
            cluster=cluster,
            definition=definition,
            request=request,
            launch_type="FARGATE" if fargate else "EC2",
            containers=[
                with_overrides(one, request.get("overrides") or {})
                for one in definition["containerDefinitions"]
            ],
        )
        region = cluster.split(":")[3]
        around = Surroundings(
            agent=Agent(self.api, region, str(definition.get("executionRoleArn") or "")),
            containers=self._containers,
            publish=self._publish,
            environment=self._environment(task, region),
            gap=self.gap,
        )
        life = Life(task, around, self._lock)
        thread = threading.Thread(target=self._live, args=(life,), daemon=True)
        self._lives[task.arn] = life
        self._threads.append(thread)
        thread.start()
        return life

    def _live(self, life: Life) -> None:
        try:
            life.run()
        except Exception as error:  # a defect of the stand-in is to fail the test, not to end a thread
            self.errors.append(error)

    def _environment(self, task: Task, region: str) -> dict[str, str]:
        """What a container finds beside what its definition says: where AWS is, and credentials of its role.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html; the SDKs get them here
        as variables, so nobody has to be 169.254.170.2.
        """
        told = self.api.environment(task.role.rpartition("/")[2], region)
        if not task.role:
            told = {name: value for name, value in told.items() if name not in _CREDENTIALS}
        return {**told, "AWS_EXECUTION_ENV": f"AWS_ECS_{task.launch_type}"}

    def _publish(self, task: Task) -> None:
        with self._lock:
            event = task.event()
        sqs = self.api.client("sqs", task.arn.split(":")[3], caller=JUDGE)
        with suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=self.queue)["QueueUrl"], MessageBody=event)

    def _describe(self, call: Call, _: Proceed) -> Json:
        cluster = self._cluster(call)["clusterArn"]
        tags = "TAGS" in (call.parameters.get("include") or ())
        tasks, failures = [], []
        for reference in call.parameters["tasks"]:
            life = self._life(cluster, reference)
            if life is None:
                # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
                arn = f"{cluster.replace(':cluster/', ':task/')}/{reference.rpartition('/')[2]}"
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                with self._lock:
                    tasks.append(life.task.answer(tags=tags))
        return {"tasks": tasks, "failures": failures}

    def _life(self, cluster: str, reference: str) -> Life | None:
        """The task of an id or ARN, None where the cluster has no such task."""
        arn = f"{cluster.replace(':cluster/', ':task/')}/{reference.rpartition('/')[2]}"
        with self._lock:
            return self._lives.get(arn)

    def _list(self, call: Call, _: Proceed) -> Json:
        cluster, asked = self._cluster(call)["clusterArn"], call.parameters
        wanted = {"desired": asked.get("desiredStatus") or "RUNNING"}  # API_ListTasks.html
        if asked.get("launchType"):
            wanted["launch_type"] = asked["launchType"]
        found = [
            task.arn
            for task in self.tasks()
            if task.cluster == cluster
            and all(getattr(task, name) == value for name, value in wanted.items())
            and asked.get("family") in (None, task.definition["family"])
            and asked.get("startedBy") in (None, task.request.get("startedBy"))
        ]
        return {"taskArns": found}

    def _stop(self, call: Call, _: Proceed) -> Json:
        life = self._life(self._cluster(call)["clusterArn"], str(call.parameters["task"]))
        if life is None:
            raise invalid("The referenced task was not found.")
        life.stop(str(call.parameters.get("reason") or "Task stopped by user"))
        with self._lock:
            return {"task": life.task.answer(tags=False)}


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _answering(
    action: Callable[[Call, Proceed], Json | Answer],
) -> Callable[[Call, Proceed], Answer]:
    def answer(call: Call, proceed: Proceed) -> Answer:
        try:
            document = action(call, proceed)
        except Refused as refused:
            return refusal_answer(call, Refusal(refused.code, _literal(refused.message)))
        return document if isinstance(document, Answer) else json_answer(document)

    return answer


def _literal(message: str) -> str:
    return message.replace("{", "{{").replace("}", "}}")


def _timeless(document: Json) -> Json:
    """The document with times as the protocol writes them."""
    if isinstance(document, dict):
        return {key: _timeless(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_timeless(item) for item in document]
    return document.timestamp() if isinstance(document, datetime) else document
