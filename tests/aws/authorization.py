"""What IAM is asked when an API or a registry is called: a recorded call -> questions.

For each action its resource and conditions: https://docs.aws.amazon.com/service-authorization/latest/reference/
Where AWS asks more than one question, the page that says so is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from flowyard.values import Json
from tests.aws.calls import ACCOUNT, Call, partition
from tests.aws.iam import Question
from tests.aws.registry_requests import Seen

TASKS = "ecs-tasks.amazonaws.com"
Definitions = Callable[[str], Json]  # the task definition with this ARN

# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: "No permissions are required".
_FREE = frozenset({"sts:GetCallerIdentity"})
# What S3 asks for under another name: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
_S3_NAMES = {
    "HeadObject": "GetObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListObjectsV2": "ListBucket",
    "ListObjects": "ListBucket",
    "HeadBucket": "ListBucket",
}
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, and of the operations below each
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/: "used by the Amazon ECR proxy".
_REGISTRY_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "blob.head": "BatchCheckLayerAvailability",
        "blob.get": "GetDownloadUrlForLayer",
        "upload.start": "InitiateLayerUpload",
        "upload.mount": "InitiateLayerUpload",
        "upload.patch": "UploadLayerPart",
        "upload.put": "CompleteLayerUpload",
        "manifest.head": "BatchGetImage",
        "manifest.get": "BatchGetImage",
        "manifest.put": "PutImage",
    }
)


def questions(call: Call, definitions: Definitions) -> tuple[Question, ...]:
    """What IAM is asked for a call of an API."""
    if call.permission in _FREE:
        return ()
    return tuple(_QUESTIONS[call.service](call, definitions))


def registry_questions(request: Seen, account: str, region: str) -> tuple[Question, ...]:
    """What IAM is asked for a request to the registry of an account and region."""

    def repository(name: str) -> str:
        return f"arn:{partition(region)}:ecr:{region}:{account}:repository/{name}"

    if request.kind == "ping":
        return ()
    asked = [Question(f"ecr:{_REGISTRY_ACTIONS[request.kind]}", repository(request.repository))]
    if request.mount is not None:
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/blob-mounting.html
        asked.append(Question("ecr:GetDownloadUrlForLayer", repository(request.mount[1])))
    return tuple(asked)


def _ecr(call: Call, _: Definitions) -> Iterator[Question]:
    names = call.parameters.get("repositoryNames") or [call.parameters.get("repositoryName")]
    if call.action == "GetAuthorizationToken" or names == [None]:
        yield Question(call.permission)
        return
    for name in names:
        repository = _arn(call, "ecr", f"repository/{name}", call.account)
        yield Question(call.permission, repository)
        if call.action == "CreateRepository":
            yield from _of_a_new_repository(call, repository)


def _of_a_new_repository(call: Call, repository: str) -> Iterator[Question]:
    if call.parameters.get("tags"):
        yield Question("ecr:TagResource", repository)
    key = (call.parameters.get("encryptionConfiguration") or {}).get("kmsKey")
    if key:  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
        alias = key.partition("alias/")[2]
        arn = key if key.startswith("arn:") and not alias else _arn(call, "kms", f"key/{alias or key}")
        context = {"kms:ResourceAliases": f"alias/{alias}"} if alias else {}
        for action in ("CreateGrant", "DescribeKey", "RetireGrant"):
            yield Question(f"kms:{action}", arn, context)


def _ecs(call: Call, definitions: Definitions) -> Iterator[Question]:
    given = call.parameters
    if call.action == "RegisterTaskDefinition":
        yield Question(call.permission)
        if given.get("tags"):
            # The revision has no number yet: https://github.com/aws/aws-cdk/issues/25768
            family = _arn(call, "ecs", f"task-definition/{given['family']}")
            yield Question("ecs:TagResource", family, {"ecs:CreateAction": "RegisterTaskDefinition"})
        yield from _passed(given)
    elif call.action == "RunTask":
        yield from _run_task(call, definitions)
    elif call.action in ("DescribeTasks", "StopTask"):
        for task in given.get("tasks") or [given.get("task")]:
            where = {"ecs:cluster": _cluster(call)}
            yield Question(call.permission, _task(call, str(task).rpartition("/")[2]), where)
    else:
        yield Question(call.permission)


def _run_task(call: Call, definitions: Definitions) -> Iterator[Question]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html and, of the
    roles, https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""
    definition = definitions(call.parameters["taskDefinition"])
    yield Question(call.permission, definition["taskDefinitionArn"], {"ecs:cluster": _cluster(call)})
    if call.parameters.get("tags"):
        yield Question("ecs:TagResource", _task(call, "*"), {"ecs:CreateAction": "RunTask"})
    yield from _passed(definition)
    yield from _passed(call.parameters.get("overrides") or {})


def _passed(given: Mapping[str, Json]) -> Iterator[Question]:
    for key in ("executionRoleArn", "taskRoleArn"):
        if given.get(key):
            yield Question("iam:PassRole", given[key], {"iam:PassedToService": TASKS})


def _task(call: Call, task: str) -> str:
    return _arn(call, "ecs", f"task/{_cluster(call).rpartition('/')[2]}/{task}")


def _cluster(call: Call) -> str:
    name = str(call.parameters.get("cluster") or "default").rpartition("/")[2]
    return _arn(call, "ecs", f"cluster/{name}")


def _sqs(call: Call, _: Definitions) -> Iterator[Question]:
    name = call.parameters.get("QueueName") or str(call.parameters["QueueUrl"]).rpartition("/")[2]
    yield Question(call.permission, _arn(call, "sqs", str(name)))


def _logs(call: Call, _: Definitions) -> Iterator[Question]:
    """A log group is asked for with the name of a stream behind it, an empty one where there is none."""
    group, stream = call.parameters["logGroupName"], call.parameters.get("logStreamName", "")
    yield Question(call.permission, _arn(call, "logs", f"log-group:{group}:log-stream:{stream}"))
    if call.action == "CreateLogGroup":  # as the reference has it
        yield Question(call.permission, _arn(call, "logs", f"log-group:{group}"))


def _secrets(call: Call, _: Definitions) -> Iterator[Question]:
    yield Question(call.permission, str(call.parameters["SecretId"]))


def _parameters(call: Call, _: Definitions) -> Iterator[Question]:
    if call.action == "DescribeParameters":
        yield Question(call.permission)
        return
    for name in call.parameters.get("Names") or [call.parameters["Name"]]:
        yield Question(call.permission, _arn(call, "ssm", f"parameter/{name.removeprefix('/')}"))


def _s3(call: Call, _: Definitions) -> Iterator[Question]:
    action = _S3_NAMES.get(call.action, call.action)
    key = f"/{call.parameters['Key']}" if "Key" in call.parameters else ""
    yield Question(f"s3:{action}", f"arn:{partition(call.region)}:s3:::{call.parameters['Bucket']}{key}")


def _unheld(call: Call, _: Definitions) -> Iterator[Question]:
    yield Question(call.permission)


def _arn(call: Call, service: str, resource: str, account: str = ACCOUNT) -> str:
    return f"arn:{partition(call.region)}:{service}:{call.region}:{account}:{resource}"


_QUESTIONS: Mapping[str, Callable[[Call, Definitions], Iterator[Question]]] = MappingProxyType(
    {
        "ecr": _ecr,
        "ecs": _ecs,
        "sqs": _sqs,
        "logs": _logs,
        "secretsmanager": _secrets,
        "ssm": _parameters,
        "s3": _s3,
        "ec2": _unheld,
    }
)
