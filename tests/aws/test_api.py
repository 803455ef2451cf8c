"""The stand-in for AWS's APIs: what it records, how it fails, and where it is better than moto alone."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.aws.api import REGION, AwsApi
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Refusal

pytest_plugins = ("tests.aws.fixtures",)

ELSEWHERE = "us-east-2"  # a region in which no registry of the session listens
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


def client(service: str, region: str = REGION) -> Any:
    """A client as a program has it, that asks once."""
    return boto3.client(service, region_name=region, config=ONCE)


def test_a_call_is_recorded_with_its_parameters_and_its_caller(in_aws: AwsApi) -> None:
    client("ecr").create_repository(repositoryName="flows/etl", imageTagMutability="IMMUTABLE")
    (call,) = in_aws.calls
    assert (call.permission, call.caller, call.region) == ("ecr:CreateRepository", "tests", "eu-west-1")
    assert call.parameters == {"repositoryName": "flows/etl", "imageTagMutability": "IMMUTABLE"}


def test_every_service_answers_and_is_recorded(in_aws: AwsApi) -> None:
    client("ecs").create_cluster(clusterName="flows")
    client("s3").create_bucket(
        Bucket="results", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    client("s3").put_object(Bucket="results", Key="a/b c", Body=b"1")
    assert client("s3").get_object(Bucket="results", Key="a/b c")["Body"].read() == b"1"
    client("s3").list_objects_v2(Bucket="results", Prefix="a/")
    url = client("sqs").create_queue(QueueName="events")["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    client("logs").create_log_group(logGroupName="/flows")
    client("secretsmanager").create_secret(Name="password", SecretString="x")
    client("ec2").describe_vpcs()
    client("events").list_rules()
    client("iam").list_roles()
    client("sts").get_caller_identity()
    assert in_aws.actions() == [
        "ecs:CreateCluster",
        "s3:CreateBucket",
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListObjectsV2",
        "sqs:CreateQueue",
        "sqs:SendMessage",
        "logs:CreateLogGroup",
        "secretsmanager:CreateSecret",
        "ec2:DescribeVpcs",
        "events:ListRules",
        "iam:ListRoles",
        "sts:GetCallerIdentity",
    ]
    assert in_aws.calls[3].parameters["Key"] == "a/b c"


def test_nothing_is_left_of_the_test_before(in_aws: AwsApi) -> None:
    client("ecr").create_repository(repositoryName="flows/etl")
    planned = in_aws.fail("ecr", "DescribeRepositories", THROTTLED)
    in_aws.reset()
    assert client("ecr").describe_repositories()["repositories"] == []
    assert (in_aws.actions(), planned.happened) == (["ecr:DescribeRepositories"], 0)


@pytest.mark.parametrize(
    ("service", "action", "method", "arguments"),
    [
        ("ecr", "DescribeRepositories", "describe_repositories", {}),
        ("ec2", "DescribeVpcs", "describe_vpcs", {}),
        ("sts", "GetCallerIdentity", "get_caller_identity", {}),
        ("s3", "GetObject", "get_object", {"Bucket": "b", "Key": "k"}),
    ],
)
@pytest.mark.parametrize("refusal", [THROTTLED, DENIED, BROKEN])
def test_a_refusal_comes_in_the_words_of_the_services_protocol(
    in_aws: AwsApi, service: str, action: str, method: str, arguments: dict[str, str], refusal: Refusal
) -> None:
    planned = in_aws.fail(service, action, refusal)
    with pytest.raises(ClientError) as caught:
        getattr(client(service), method)(**arguments)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (
        refusal.code,
        refusal.status,
    )
    assert planned.happened == 1


def test_a_denied_action_names_caller_action_and_resource(in_aws: AwsApi) -> None:
    in_aws.fail("ecr", "CreateRepository", DENIED)
    with pytest.raises(ClientError) as caught:
        client("ecr").create_repository(repositoryName="flows/etl")
    assert (
        caught.value.response["Error"]["Message"]
        == "User: arn:aws:sts::123456789012:assumed-role/tests/session is not authorized to perform: "
        "ecr:CreateRepository on resource: arn:aws:ecr:eu-west-1:123456789012:repository/flows/etl because no "
        "identity-based policy allows the ecr:CreateRepository action"
    )


def test_a_dropped_call_did_nothing_and_a_lost_one_did(in_aws: AwsApi) -> None:
    for fault, made in ((Cut.DROPPED, []), (Cut.LOST, ["flows/etl"])):
        in_aws.fail("ecr", "CreateRepository", fault)
        with pytest.raises(ConnectionClosedError):
            client("ecr").create_repository(repositoryName="flows/etl")
        found = in_aws.client("ecr").describe_repositories()["repositories"]
        assert [one["repositoryName"] for one in found] == made


def test_only_the_calls_that_were_planned_fail(in_aws: AwsApi) -> None:
    in_aws.fail("ecr", "DescribeRepositories", BROKEN, nth=2, times=2)
    answered = []
    for _ in range(4):
        try:
            client("ecr").describe_repositories()
        except ClientError:
            answered.append(False)
        else:
            answered.append(True)
    assert answered == [True, False, False, True]


def test_a_program_finds_it_by_the_environment(aws: AwsApi, tmp_path: Path) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **aws.environment("ci")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("arn:aws:sts::123456789012:assumed-role/ci/session\n", "")
    assert [call.caller for call in aws.calls] == ["ci"]


class TestEcr:
    def test_tokens_differ_and_last_twelve_hours(self, in_aws: AwsApi) -> None:
        found = [client("ecr", ELSEWHERE).get_authorization_token()["authorizationData"][0] for _ in range(2)]
        passwords = [base64.b64decode(one["authorizationToken"]).decode().partition(":")[2] for one in found]
        assert passwords[0] != passwords[1]
        assert found[0]["proxyEndpoint"] == "https://123456789012.dkr.ecr.us-east-2.amazonaws.com"
        assert abs(found[0]["expiresAt"].timestamp() - time.time() - 12 * 3600) < 60
        assert [in_aws.ecr.tokens.state(one) for one in (*passwords, "x")] == ["valid", "valid", "unknown"]
        in_aws.ecr.tokens.expire()
        assert in_aws.ecr.tokens.state(passwords[0]) == "expired"

    def test_another_accounts_registry_is_another_one(self, in_aws: AwsApi) -> None:
        client("ecr").create_repository(repositoryName="flows/etl")
        with pytest.raises(ClientError, match="RepositoryNotFoundException"):
            client("ecr").describe_repositories(registryId="210987654321", repositoryNames=["flows/etl"])
        with pytest.raises(ClientError, match="AccessDeniedException"):
            client("ecr").create_repository(registryId="210987654321", repositoryName="flows/etl")

    def test_answers_name_the_registry_where_it_listens(self, in_aws: AwsApi) -> None:
        in_aws.ecr.hosts["123456789012", ELSEWHERE] = "127.0.0.1:4711"
        try:
            made = client("ecr", ELSEWHERE).create_repository(repositoryName="flows/etl")["repository"]
            token = client("ecr", ELSEWHERE).get_authorization_token()["authorizationData"][0]
        finally:
            del in_aws.ecr.hosts["123456789012", ELSEWHERE]
        assert made["repositoryUri"] == "127.0.0.1:4711/flows/etl"
        assert made["repositoryArn"] == "arn:aws:ecr:us-east-2:123456789012:repository/flows/etl"
        assert token["proxyEndpoint"] == "http://127.0.0.1:4711"

    def test_in_china_hosts_end_otherwise(self, in_aws: AwsApi) -> None:
        ecr = in_aws.client("ecr", "cn-north-1")
        uri = ecr.create_repository(repositoryName="flows/etl")["repository"]["repositoryUri"]
        assert uri == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/flows/etl"
