"""The ECS of the tests against what AWS documents: what a task is given, how it ends, what is told of it."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from flowyard.values import Json
from tests.aws.ecs_account import CLUSTER, TASK_ROLE, EcsAccount
from tests.aws.ecs_executor import EcsExecutor
from tests.aws.faults import Cut

pytest_plugins = ("tests.aws.fixtures", "tests.aws.ecs_fixtures")

SHOW = """
import os, sys
for name in sorted(os.environ):
    if name.startswith(("T_", "AWS_EXEC", "AWS_ACCESS")):
        print(name, os.environ[name], flush=True)
print("words", *sys.argv[1:])
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("told to stop", flush=True), sys.exit(3)))
print("ready", flush=True)
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
GREEDY = "held = [bytearray(1_000_000) for _ in range(2_000)]"
ALL = ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING", "STOPPED"]
FAILED = ["PROVISIONING", "PENDING", "DEPROVISIONING", "STOPPED"]


def python(code: str, **more: Json) -> dict[str, Json]:
    """A container that runs this code."""
    return {"entryPoint": ["python", "-c", code], "command": [], **more}


def start(account: EcsAccount, image: str, container: dict[str, Json], **changes: Json) -> str:
    return account.run(account.register(account.definition(image, container)), **changes)


def test_what_a_task_is_given_and_what_is_told_of_it(account: EcsAccount, python_image: str) -> None:
    whole = account.secret("whole", "all of it")
    part = account.secret("part", '{"k": "one key", "other": 1}')
    account.api.client("ssm").put_parameter(Name="/flows/p", Value="a parameter", Type="SecureString")
    secrets = [
        {"name": "T_WHOLE", "valueFrom": whole},
        {"name": "T_PART", "valueFrom": f"{part}:k::"},
        {"name": "T_PARAMETER", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/flows/p"},
    ]
    plain = [{"name": "T_PLAIN", "value": "definition"}, {"name": "T_KEPT", "value": "kept"}]
    container = python(SHOW, secrets=secrets, environment=plain)
    definition = account.definition(python_image, container, taskRoleArn=TASK_ROLE)
    override = {
        "name": "prefect",
        "command": ["one", "two"],
        "environment": [{"name": "T_PLAIN", "value": "run"}],
    }
    task = account.run(
        account.register(definition),
        overrides={"containerOverrides": [override]},
        tags=[{"key": "prefect.io/flow-run-id", "value": "1"}],
    )
    ended = account.until(task, "STOPPED")
    assert account.lines(task) == [
        "AWS_ACCESS_KEY_ID flows",
        "AWS_EXECUTION_ENV AWS_ECS_FARGATE",
        "T_KEPT kept",
        "T_PARAMETER a parameter",
        "T_PART one key",
        "T_PLAIN run",
        "T_WHOLE all of it",
        "words one two",
    ]
    assert (ended["stopCode"], ended["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (ended["cpu"], ended["memory"], ended["launchType"]) == ("256", "512", "FARGATE")
    (seen,) = ended["containers"]
    digest = python_image.partition("@")[2]
    assert (seen["name"], seen["lastStatus"], seen["exitCode"]) == ("prefect", "STOPPED", 0)
    assert (seen["imageDigest"], "reason" in seen) == (digest, False)
    order = ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "executionStoppedAt", "stoppedAt")
    assert [ended[name] for name in order] == sorted(ended[name] for name in order)
    assert "tags" not in ended or ended["tags"] == []
    assert account.describe(task, tags=True)["tags"] == [{"key": "prefect.io/flow-run-id", "value": "1"}]
    events = account.events()
    assert [one["detail"]["lastStatus"] for one in events] == ALL
    assert {one["detail-type"] for one in events} == {"ECS Task State Change"}
    assert {one["detail"]["taskArn"] for one in events} == {task}
    assert "tags" not in events[-1]["detail"]
    done = [call for call in account.api.calls if call.caller == "execution"]
    assert sorted({call.permission for call in done}) == [
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameters",
    ]


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
ENDS: dict[str, tuple[str, int, str | None]] = {
    "exits": ("raise SystemExit(17)", 17, None),
    "greedy": (GREEDY, 137, OUT_OF_MEMORY),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_container_ended(account: EcsAccount, python_image: str, name: str) -> None:
    code, *expected = ENDS[name]
    ended = account.until(start(account, python_image, python(code)), "STOPPED")
    (seen,) = ended["containers"]
    assert [seen["exitCode"], seen.get("reason")] == expected
    assert ended["stopCode"] == "EssentialContainerExited"


def test_what_never_starts_says_why(account: EcsAccount, python_image: str) -> None:
    nowhere = f"{python_image.partition('@')[0]}@sha256:{'0' * 64}"
    missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nobody-AbCdEf"
    no_group = {"awslogs-group": "/none", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "t"}
    part = account.secret("part", '{"k": "one key"}')
    retrieval = (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secret from asm: service call has been retried 1 time(s): "
    )
    wanted = {
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
        f"{nowhere}: ": (nowhere, python("")),
        f"{retrieval}failed to fetch secret {missing} from secrets manager: ResourceNotFoundException: "
        "Secrets Manager can't find the specified secret.": (
            python_image,
            python("", secrets=[{"name": "T_X", "valueFrom": missing}]),
        ),
        f"{retrieval}retrieved secret from Secrets Manager did not contain json key other": (
            python_image,
            python("", secrets=[{"name": "T_X", "valueFrom": f"{part}:other::"}]),
        ),
        "ResourceInitializationError: failed to validate logger args: ": (
            python_image,
            python("", logConfiguration={"logDriver": "awslogs", "options": no_group}),
        ),
        "Task failed to start": (python_image, {"entryPoint": ["no-such-program"]}),
    }
    tasks = {reason: start(account, image, container) for reason, (image, container) in wanted.items()}
    for reason, task in tasks.items():
        ended = account.until(task, "STOPPED")
        assert ended["stopCode"] == "TaskFailedToStart"
        assert ended["stoppedReason"].startswith(reason), ended["stoppedReason"]
        assert "exitCode" not in ended["containers"][0]
        assert "startedAt" not in ended
    cannot = account.describe(tasks["Task failed to start"])["containers"][0]["reason"]
    assert cannot.startswith("CannotStartContainerError: ")
    of_one = [one["detail"]["lastStatus"] for one in account.events() if one["detail"]["taskArn"] == task]
    assert of_one == FAILED


def test_a_task_that_is_stopped_gets_its_time(account: EcsAccount, python_image: str) -> None:
    polite = start(account, python_image, python(POLITE))
    deaf = start(account, python_image, python(DEAF, stopTimeout=2))
    for task in (polite, deaf):
        account.until(task, "RUNNING")
        deadline = time.monotonic() + 60
        while "ready" not in account.lines(task):
            assert time.monotonic() < deadline, account.lines(task)
            time.sleep(0.1)
    begun = time.monotonic()
    account.stop(polite, "enough")
    account.stop(deaf)
    first, second = account.until(polite, "STOPPED"), account.until(deaf, "STOPPED")
    assert 2 < time.monotonic() - begun < 10
    assert (first["stopCode"], first["stoppedReason"]) == ("UserInitiated", "enough")
    assert [one["containers"][0]["exitCode"] for one in (first, second)] == [3, 137]
    assert account.lines(polite) == ["ready", "told to stop"]


def test_an_answer_that_was_lost_starts_no_second_task(account: EcsAccount, ecs: EcsExecutor) -> None:
    definition = account.register(account.definition("127.0.0.1:1/none", {}))
    network = {"awsvpcConfiguration": {"subnets": account.subnets()[:1]}}
    lost = account.api.fail("ecs", "RunTask", Cut.LOST)
    client = account.api.client("ecs", caller="worker")
    started = client.run_task(
        cluster=CLUSTER, launchType="FARGATE", taskDefinition=definition, networkConfiguration=network
    )
    assert (lost.happened, account.api.actions("ecs")) == (1, ["ecs:RunTask"] * 2)
    assert [one["taskArn"] for one in started["tasks"]] == [task.arn for task in ecs.tasks()]


def test_a_sidecar_ends_with_the_task(account: EcsAccount, python_image: str) -> None:
    sidecar = {
        "name": "beside",
        "image": python_image,
        "essential": False,
        **python(DEAF, stopTimeout=1),
    }
    definition = account.definition(python_image, python("import time; time.sleep(1)"))
    definition["containerDefinitions"].append(sidecar)
    ended = account.until(account.run(account.register(definition)), "STOPPED")
    assert {one["name"]: one["exitCode"] for one in ended["containers"]} == {"prefect": 0, "beside": 137}


REFUSED_DEFINITIONS: dict[str, tuple[dict[str, Json], str]] = {
    "family": ({"family": "has space"}, "Family contains invalid characters."),
    "pair": ({"cpu": "300"}, "No Fargate configuration exists for given values: 300 CPU, 512 memory."),
    "memory": ({"memory": "513"}, "No Fargate configuration exists for given values: 256 CPU, 513 memory."),
    "no size": ({"cpu": None}, "Fargate requires that 'cpu' be defined at the task level."),
    "mode": ({"networkMode": "bridge"}, "Fargate only supports network mode 'awsvpc'."),
    "role": (
        {"executionRoleArn": None},
        "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
    ),
}


@pytest.mark.parametrize("case", REFUSED_DEFINITIONS)
def test_definitions_that_are_refused(account: EcsAccount, case: str) -> None:
    changes, message = REFUSED_DEFINITIONS[case]
    with pytest.raises(ClientError) as refused:
        account.register(account.definition("python:3.13", {}, **changes))
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"].startswith(message)) == ("ClientException", True), error


def test_a_definition_larger_than_64_kib_is_refused(account: EcsAccount) -> None:
    large = [{"name": "LARGE", "value": "x" * 65_600}]
    with pytest.raises(ClientError, match=r"Max allowed length is '65536' bytes"):
        account.register(account.definition("python:3.13", {"environment": large}))


def test_secrets_need_a_role_and_a_name_of_their_own(account: EcsAccount) -> None:
    secret = {"name": "X", "valueFrom": account.secret("x", "1")}
    with pytest.raises(ClientError, match="you must also specify a value for 'executionRoleArn'"):
        account.register(account.definition("python:3.13", {"secrets": [secret]}, executionRoleArn=None))
    both = {"secrets": [secret], "environment": [{"name": "X", "value": "plain"}]}
    with pytest.raises(ClientError, match="The secret name must be unique"):
        account.register(account.definition("python:3.13", both))


LONG = [{"name": "LONG", "value": "x" * 8_200}]
REFUSED_RUNS: dict[str, tuple[dict[str, Json], str, str]] = {
    "cluster": ({"cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
    "definition": ({"taskDefinition": "tests:9"}, "ClientException", "TaskDefinition not found."),
    "family": ({"taskDefinition": "none"}, "ClientException", "TaskDefinition not found."),
    "no network": (
        {"networkConfiguration": None},
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    "subnet": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}},
        "InvalidParameterException",
        "Error retrieving subnet information for [subnet-0]",
    ),
    "long": (
        {"overrides": {"containerOverrides": [{"name": "prefect", "environment": LONG}]}},
        "InvalidParameterException",
        "Container Overrides length must be at most 8192",
    ),
    "container": (
        {"overrides": {"containerOverrides": [{"name": "main"}]}},
        "InvalidParameterException",
        "Override for container named main is not a container in the TaskDefinition.",
    ),
    "size": (
        {"overrides": {"cpu": "512"}},
        "ClientException",
        "No Fargate configuration exists for given values: 512 CPU, 512 memory.",
    ),
    "both": (
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
        "InvalidParameterException",
        "Specifying both a launch type and capacity provider strategy is not supported.",
    ),
    "provider": (
        {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "mine"}]},
        "InvalidParameterException",
        "The specified capacity provider strategy cannot contain",
    ),
    "no instances": (
        {"launchType": "EC2"},
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
    ),
}


@pytest.mark.parametrize("case", REFUSED_RUNS)
def test_runs_that_are_refused(account: EcsAccount, case: str) -> None:
    changes, code, message = REFUSED_RUNS[case]
    definition = account.register(account.definition("python:3.13", {}))
    with pytest.raises(ClientError) as refused:
        account.run(**{"definition": definition, **changes})
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"].startswith(message)) == (code, True), error


def test_an_inactive_revision_neither_runs_nor_is_the_latest(account: EcsAccount) -> None:
    client = account.api.client("ecs")
    first, second = (
        account.register(account.definition("python:3.13", {}, memory=size)) for size in ("512", "1024")
    )
    client.deregister_task_definition(taskDefinition=second)
    latest = client.describe_task_definition(taskDefinition="tests")["taskDefinition"]
    assert latest["taskDefinitionArn"] == first
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        account.run(second)
    client.deregister_task_definition(taskDefinition=first)
    with pytest.raises(ClientError, match="Unable to describe task definition"):
        client.describe_task_definition(taskDefinition="tests")


def test_tasks_that_nobody_knows(account: EcsAccount) -> None:
    client = account.api.client("ecs")
    found = client.describe_tasks(cluster=CLUSTER, tasks=["none"])
    arn = f"arn:aws:ecs:eu-west-1:123456789012:task/{CLUSTER}/none"
    assert (found["tasks"], found["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])
    with pytest.raises(ClientError, match="The referenced task was not found"):
        client.stop_task(cluster=CLUSTER, task="none")
    with pytest.raises(client.exceptions.ClusterNotFoundException):
        client.describe_tasks(cluster="none", tasks=["none"])
