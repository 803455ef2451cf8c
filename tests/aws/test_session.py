"""Calls to AWS: what is tried again, and what each kind of failure is answered with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flowyard.adapters.aws.session import TRIES, AwsSession, Caller
from flowyard.errors import AwsError, AwsRefused
from tests.aws.api import REGION, AwsApi
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Fault, Refusal

pytest_plugins = ("tests.aws.fixtures",)

CALLER = "arn:aws:sts::123456789012:assumed-role/tests/session"


def described(tries: int = TRIES) -> int:
    """How many repositories there are."""
    return len(
        AwsSession(REGION, tries).call("ecr", "DescribeRepositories", "all repositories")["repositories"]
    )


def failure(tries: int = 1) -> tuple[type[AwsError], str, str]:
    """The error that asking for the repositories ends with."""
    with pytest.raises(AwsError) as caught:
        described(tries)
    return type(caught.value), caught.value.message, caught.value.hint


@pytest.mark.parametrize("fault", [THROTTLED, BROKEN, Cut.DROPPED, Cut.LOST])
def test_what_may_pass_is_tried_again(in_aws: AwsApi, fault: Fault) -> None:
    planned = in_aws.fail("ecr", "DescribeRepositories", fault, times=2)
    assert (described(), planned.happened, len(in_aws.calls)) == (0, 2, 3)


def test_the_tries_have_an_end(in_aws: AwsApi) -> None:
    in_aws.fail("ecr", "DescribeRepositories", THROTTLED, times=99)
    assert failure(2) == (
        AwsRefused,
        "AWS refused ecr:DescribeRepositories on all repositories: ThrottlingException: Rate exceeded "
        f"(called as {CALLER})",
        "AWS limits how often it is asked: ship again, with fewer flows at once (`--jobs`)",
    )
    assert in_aws.actions("ecr") == ["ecr:DescribeRepositories"] * 2


def test_a_missing_permission_names_action_resource_and_caller_and_is_not_tried_again(in_aws: AwsApi) -> None:
    in_aws.fail("ecr", "DescribeRepositories", DENIED, times=99)
    kind, message, hint = failure(TRIES)
    assert (kind, message) == (
        AwsRefused,
        "AWS refused ecr:DescribeRepositories on all repositories: AccessDeniedException: User: "
        f"{CALLER} is not authorized to perform: ecr:DescribeRepositories on resource: * because no "
        "identity-based policy allows the ecr:DescribeRepositories action",
    )
    assert hint.startswith("let the caller do ecr:DescribeRepositories; ")
    assert in_aws.actions() == ["ecr:DescribeRepositories"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredTokenException", "log in again"),
        ("InvalidSignatureException", "clock is wrong"),
        ("LimitExceededException", "a quota of the account is reached"),
        ("KmsException", "encryption-key"),
        ("ServerException", ""),
    ],
)
def test_each_code_has_its_hint(in_aws: AwsApi, code: str, words: str) -> None:
    in_aws.fail("ecr", "DescribeRepositories", Refusal(code, "Something"), times=99)
    _, message, hint = failure()
    assert f": {code}: Something (called as {CALLER})" in message
    assert words in hint
    assert bool(words) == bool(hint)


def test_a_caller_that_sts_does_not_tell_is_left_out(in_aws: AwsApi) -> None:
    in_aws.fail("ecr", "DescribeRepositories", Refusal("ServerException", "Something"))
    in_aws.fail("sts", "GetCallerIdentity", DENIED)
    assert failure()[1].endswith(": ServerException: Something")


def test_who_calls_is_asked_once(in_aws: AwsApi) -> None:
    aws = AwsSession(REGION)
    assert [aws.caller(), aws.caller()] == [Caller(CALLER, "123456789012")] * 2
    assert in_aws.actions() == ["sts:GetCallerIdentity"]


def test_without_credentials_it_says_where_they_are_looked_for(
    in_aws: AwsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    kind, message, hint = failure()
    assert (kind, message) == (
        AwsError,
        "ecr:DescribeRepositories on all repositories: Unable to locate credentials",
    )
    assert "AWS_PROFILE" in hint
    assert in_aws.calls == []


@pytest.mark.parametrize(
    ("variable", "value", "words", "hinted"),
    [
        ("AWS_PROFILE", "nobody", "The config profile (nobody) could not be found", "AWS_PROFILE"),
        ("AWS_ENDPOINT_URL", "no URL", "ecr in eu-west-1: Invalid endpoint", ""),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "Could not connect to the endpoint URL", "network"),
    ],
)
def test_what_the_environment_says_wrong_is_told(
    in_aws: AwsApi, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str, hinted: str
) -> None:
    monkeypatch.setenv(variable, value)
    kind, message, hint = failure()
    assert kind is AwsError
    assert words in message
    assert in_aws.calls == []
    assert hinted in hint


def test_without_boto3_it_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['boto3'] = None\n"
        "from flowyard.adapters.aws.session import AwsSession\n"
        "from flowyard.errors import AwsError\n"
        "try: AwsSession('eu-west-1').caller()\n"
        "except AwsError as error: print(error.message, error.hint, error.exit_code, sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (
        'shipping to AWS needs the package boto3, which is not installed here|pip install "flowyard[aws]"|9\n',
        "",
    )
