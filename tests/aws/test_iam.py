"""The tests' own IAM: what it allows, and what it is asked for a call."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flowyard.values import Json
from tests.aws.authorization import questions, registry_questions
from tests.aws.calls import Call
from tests.aws.iam import Question, allowed_by
from tests.aws.registry_requests import read_request

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Any", "Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]},
        {
            "Sid": "Named",
            "Effect": "Allow",
            "Action": ["ecs:RunTask", "ecs:Stop*"],
            "Resource": ["arn:aws:ecs:r:1:task-definition/a-*:*", "arn:aws:ecs:r:1:secret:b-??"],
            "Condition": {
                "ArnEquals": {"ecs:cluster": ["arn:aws:ecs:r:1:cluster/c"]},
                "StringEquals": {"ecs:CreateAction": ["RunTask", "StartTask"]},
            },
        },
    ],
}
CONTEXT = {"ecs:cluster": "arn:aws:ecs:r:1:cluster/c", "ecs:CreateAction": "RunTask"}
RUN = Question("ecs:RunTask", "arn:aws:ecs:r:1:task-definition/a-x:1", CONTEXT)
ROLES = {"executionRoleArn": "arn:aws:iam::1:role/e", "taskRoleArn": "arn:aws:iam::1:role/t"}
DEFINITION = {"taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/f:1", **ROLES}
HERE = "eu-west-1:123456789012"


@pytest.mark.parametrize(
    ("question", "sid"),
    [
        (Question("ecr:GetAuthorizationToken"), "Any"),
        (Question("ECR:getauthorizationtoken"), "Any"),
        (Question("ecr:GetAuthorizationTokens"), None),
        (RUN, "Named"),
        (Question("ecs:StopTask", "arn:aws:ecs:r:1:secret:b-xy", CONTEXT), "Named"),
        (Question("ecs:StopTask", "arn:aws:ecs:r:1:secret:b-xyz", CONTEXT), None),
        (Question("ecs:RunTask", "arn:aws:ecs:r:1:task-definition/A-x:1", CONTEXT), None),
        (Question("ecs:RunTask", "arn:aws:ecs:r:1:task-definition/b-x:1", CONTEXT), None),
        (Question("ecs:RunTask", RUN.resource, {"ecs:cluster": CONTEXT["ecs:cluster"]}), None),
        (Question("ecs:RunTask", RUN.resource, {**CONTEXT, "ecs:CreateAction": "Other"}), None),
        (
            Question("ecs:RunTask", RUN.resource, {**CONTEXT, "ecs:cluster": "arn:aws:ecs:r:1:cluster/d"}),
            None,
        ),
    ],
    ids=str,
)
def test_what_is_allowed(question: Question, sid: str | None) -> None:
    assert allowed_by([POLICY], question) == sid


def test_a_condition_that_is_not_understood_is_no_condition() -> None:
    statement = {**POLICY["Statement"][1], "Condition": {"DateLessThan": {"ecs:cluster": ["x"]}}}  # type: ignore[dict-item]
    with pytest.raises(NotImplementedError, match="DateLessThan"):
        allowed_by([{"Statement": [statement]}], RUN)


CALLS: list[tuple[str, Mapping[str, Json], list[str]]] = [
    ("sts:GetCallerIdentity", {}, []),
    ("ecr:GetAuthorizationToken", {}, ["ecr:GetAuthorizationToken on *"]),
    (
        "ecr:CreateRepository",
        {
            "repositoryName": "flows/etl",
            "tags": [{"Key": "a", "Value": "b"}],
            "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/k"},
        },
        [
            f"ecr:CreateRepository on arn:aws:ecr:{HERE}:repository/flows/etl",
            f"ecr:TagResource on arn:aws:ecr:{HERE}:repository/flows/etl",
            f"kms:CreateGrant on arn:aws:kms:{HERE}:key/k with kms:ResourceAliases = alias/k",
            f"kms:DescribeKey on arn:aws:kms:{HERE}:key/k with kms:ResourceAliases = alias/k",
            f"kms:RetireGrant on arn:aws:kms:{HERE}:key/k with kms:ResourceAliases = alias/k",
        ],
    ),
    (
        "ecr:DescribeRepositories",
        {"repositoryNames": ["a", "b"]},
        [
            f"ecr:DescribeRepositories on arn:aws:ecr:{HERE}:repository/a",
            f"ecr:DescribeRepositories on arn:aws:ecr:{HERE}:repository/b",
        ],
    ),
    (
        "ecs:RegisterTaskDefinition",
        {"family": "f", "tags": [{"key": "a", "value": "b"}], "executionRoleArn": ROLES["executionRoleArn"]},
        [
            "ecs:RegisterTaskDefinition on *",
            f"ecs:TagResource on arn:aws:ecs:{HERE}:task-definition/f with ecs:CreateAction = RegisterTaskDefinition",
            "iam:PassRole on arn:aws:iam::1:role/e with iam:PassedToService = ecs-tasks.amazonaws.com",
        ],
    ),
    (
        "ecs:RunTask",
        {
            "taskDefinition": "arn:aws:ecs:r:1:task-definition/f:1",
            "cluster": f"arn:aws:ecs:{HERE}:cluster/c",
            "tags": [{"key": "a", "value": "b"}],
            "overrides": {"taskRoleArn": "arn:aws:iam::1:role/o"},
        },
        [
            f"ecs:RunTask on arn:aws:ecs:r:1:task-definition/f:1 with ecs:cluster = arn:aws:ecs:{HERE}:cluster/c",
            f"ecs:TagResource on arn:aws:ecs:{HERE}:task/c/* with ecs:CreateAction = RunTask",
            *(
                f"iam:PassRole on arn:aws:iam::1:role/{name} with iam:PassedToService = ecs-tasks.amazonaws.com"
                for name in "eto"
            ),
        ],
    ),
    (
        "ecs:DescribeTasks",
        {"tasks": [f"arn:aws:ecs:{HERE}:task/default/1", "2"]},
        [
            f"ecs:DescribeTasks on arn:aws:ecs:{HERE}:task/default/{one} with "
            f"ecs:cluster = arn:aws:ecs:{HERE}:cluster/default"
            for one in "12"
        ],
    ),
    (
        "sqs:ReceiveMessage",
        {"QueueUrl": "http://127.0.0.1/123456789012/q"},
        [f"sqs:ReceiveMessage on arn:aws:sqs:{HERE}:q"],
    ),
    (
        "logs:CreateLogGroup",
        {"logGroupName": "/g"},
        [
            f"logs:CreateLogGroup on arn:aws:logs:{HERE}:log-group:/g:log-stream:",
            f"logs:CreateLogGroup on arn:aws:logs:{HERE}:log-group:/g",
        ],
    ),
    (
        "ssm:GetParameters",
        {"Names": ["/a/b", "c"]},
        [f"ssm:GetParameters on arn:aws:ssm:{HERE}:parameter/{name}" for name in ("a/b", "c")],
    ),
    ("s3:HeadObject", {"Bucket": "b", "Key": "p/k"}, ["s3:GetObject on arn:aws:s3:::b/p/k"]),
    ("s3:ListObjectsV2", {"Bucket": "b"}, ["s3:ListBucket on arn:aws:s3:::b"]),
    ("ec2:DescribeVpcs", {}, ["ec2:DescribeVpcs on *"]),
]


@pytest.mark.parametrize(("permission", "parameters", "asked"), CALLS, ids=[one[0] for one in CALLS])
def test_what_is_asked_for_a_call(permission: str, parameters: Mapping[str, Json], asked: list[str]) -> None:
    service, _, action = permission.partition(":")
    call = Call(service, action, parameters, "ci", "eu-west-1")
    assert [str(one) for one in questions(call, lambda _: DEFINITION)] == asked


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/v2/", []),
        ("HEAD", "/v2/flows/etl/blobs/sha256:1", ["BatchCheckLayerAvailability flows/etl"]),
        ("GET", "/v2/flows/etl/blobs/sha256:1", ["GetDownloadUrlForLayer flows/etl"]),
        ("POST", "/v2/flows/etl/blobs/uploads/", ["InitiateLayerUpload flows/etl"]),
        (
            "POST",
            "/v2/flows/etl/blobs/uploads/?mount=sha256:1&from=flows/clean",
            ["InitiateLayerUpload flows/etl", "GetDownloadUrlForLayer flows/clean"],
        ),
        ("PUT", "/v2/flows/etl/manifests/v1", ["PutImage flows/etl"]),
    ],
)
def test_what_is_asked_for_a_request_to_the_registry(method: str, path: str, asked: list[str]) -> None:
    found = registry_questions(read_request(method, path, {}), "1", "cn-north-1")
    assert [str(one) for one in found] == [
        f"ecr:{action} on arn:aws-cn:ecr:cn-north-1:1:repository/{name}"
        for action, name in (one.split() for one in asked)
    ]
