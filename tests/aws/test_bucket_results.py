"""Results of runs, read from a bucket with the credentials of whoever asks."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from flowyard.adapters.aws.s3 import BucketResults
from flowyard.adapters.aws.session import AwsSession
from flowyard.errors import AwsError, AwsRefused
from flowyard.running.results import MOST
from flowyard.runtime import codec
from flowyard.target import BucketStorage
from flowyard.values import ResultPlace
from tests.aws.api import REGION, AwsApi
from tests.aws.faults import BROKEN, Cut, Fault, Refusal

pytest_plugins = ("tests.aws.fixtures",)

BUCKET, KEY = "acme-results", "flows/k"
ADDRESS = f"s3://{BUCKET}/{KEY}"
CALLER = "arn:aws:sts::123456789012:assumed-role/tests/session"
DENIED = Refusal("AccessDenied", "Access Denied", 403)


@pytest.fixture
def bucket(in_aws: AwsApi) -> Callable[[bytes], None]:
    """Puts an object into the bucket, under KEY."""
    client = in_aws.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(content: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=KEY, Body=content)

    return put


def read(address: str = ADDRESS, serializer: str = "json", *, region: str = REGION, tries: int = 6) -> Any:
    place = ResultPlace(address, json.dumps({"type": serializer}))
    return BucketResults(BucketStorage(BUCKET, "flows"), AwsSession(region, tries)).read("image", place)


def failure(address: str = ADDRESS) -> tuple[type[AwsError], str, str]:
    with pytest.raises(AwsError) as caught:
        read(address, tries=1)
    return type(caught.value), caught.value.message, caught.value.hint


@pytest.mark.parametrize("region", [REGION, "us-east-1", ""])
def test_a_result_is_read_in_one_call(bucket: Callable[[bytes], None], in_aws: AwsApi, region: str) -> None:
    bucket(codec.dumps({"a": [1]}).encode())
    assert read(region=region) == {"type": "builtins.dict", "json": {"a": [1]}}
    assert in_aws.actions() == ["s3:GetObject"]


def test_nothing_is_unpickled(bucket: Callable[[bytes], None]) -> None:
    bucket(pickle.dumps({"a": 1}))
    assert read(serializer="pickle")["repr"].startswith("(the result was written with serializer 'pickle'")


class Large:
    def __init__(self) -> None:
        self.data = bytes(MOST)


LARGE = f"<{__name__}.Large object at 0x"


def test_a_large_result_is_shown_by_its_beginning(bucket: Callable[[bytes], None], in_aws: AwsApi) -> None:
    bucket(codec.dumps(Large()).encode())
    found = read()
    assert (found["type"], found["repr"][: len(LARGE)]) == (f"{__name__}.Large", LARGE)
    bucket(codec.dumps(["x" * MOST]).encode())
    assert read()["repr"].startswith("(the result is too large to be shown: ")


@pytest.mark.parametrize("fault", [BROKEN, Refusal("SlowDown", "Reduce your request rate.", 503), Cut.LOST])
def test_what_may_pass_is_tried_again(bucket: Callable[[bytes], None], in_aws: AwsApi, fault: Fault) -> None:
    bucket(b"1")
    planned = in_aws.fail("s3", "GetObject", fault, times=2)
    assert (read()["json"], planned.happened) == (1, 2)


def test_a_result_that_is_not_there_is_told(bucket: Callable[[bytes], None]) -> None:
    assert failure() == (
        AwsRefused,
        f"there is no result at {ADDRESS} (any more)",
        "a lifecycle rule of the bucket may have deleted it",
    )


def test_a_missing_bucket_is_named(in_aws: AwsApi) -> None:
    kind, message, _ = failure()
    assert (kind, message) == (
        AwsRefused,
        f"AWS refused s3:GetObject on {ADDRESS}: NoSuchBucket: The specified bucket does not exist",
    )


def test_a_missing_permission_names_action_object_and_caller(
    bucket: Callable[[bytes], None], in_aws: AwsApi
) -> None:
    bucket(b"1")
    in_aws.fail("s3", "GetObject", DENIED)
    assert failure() == (
        AwsRefused,
        f"AWS refused s3:GetObject on {ADDRESS}: AccessDenied: Access Denied (called as {CALLER})",
        "let the caller do s3:GetObject; `python build.py policies` writes what each role needs; without "
        "s3:ListBucket, S3 answers this for an object that is not there as well",
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://of-somebody-else/flows/k", "which is not in the target's bucket acme-results"),
        ("/var/lib/flowyard/results/k", "and the target says s3://acme-results/flows"),
    ],
)
def test_only_the_target_s_bucket_is_read(
    bucket: Callable[[bytes], None], in_aws: AwsApi, address: str, words: str
) -> None:
    kind, message, hint = failure(address)
    assert (kind, words in message, "ship the flow" in hint) == (AwsError, True, True)
    assert in_aws.calls == []


def test_another_prefix_of_the_bucket_is_as_good(bucket: Callable[[bytes], None], in_aws: AwsApi) -> None:
    """The target's prefix may have changed since the flow was shipped."""
    in_aws.client("s3").put_object(Bucket=BUCKET, Key="before/k", Body=b"1")
    assert read(f"s3://{BUCKET}/before/k")["json"] == 1
