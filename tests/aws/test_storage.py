"""A storage of the runtime part keeps the same promises in a folder and in a bucket; and what a bucket refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flowyard.runtime.bucket import YOUNG, Bucket
from flowyard.runtime.storage import Storage, StorageError, open_storage
from tests.aws.api import AwsApi
from tests.aws.calls import Answer, Call
from tests.aws.faults import BROKEN, Cut, Fault, Refusal

pytest_plugins = ("tests.aws.fixtures",)

BUCKET = "acme-results"
MEBIBYTE = bytes(range(256)) * 4096
STREAM = """
import resource, sys
from flowyard.runtime.storage import open_storage

storage = open_storage(sys.argv[1])
storage.put("warm", b"up")
part = storage.scratch() / sys.argv[3]
with part.open("wb") as file:
    file.truncate(int(sys.argv[2]) << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
storage.put("large", part)
part.unlink(missing_ok=True)
with storage.fetched("large") as path:
    read = path.stat().st_size
print(read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
DENIED = Refusal(
    "AccessDenied",
    "User: {caller} is not authorized to perform: {action} because no identity-based policy allows it",
    403,
)
BUSY = Refusal("SlowDown", "Please reduce your request rate.", 503)


@pytest.fixture
def bucket(in_aws: AwsApi) -> str:
    """A bucket, in an environment as that of a container."""
    place = {"LocationConstraint": "eu-west-1"}
    in_aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    return BUCKET


PLACES = ("folder", "bucket", "whole bucket")


def address_of(kind: str, bucket: str, folder: Path) -> str:
    return (
        (folder / "values").as_uri()
        if kind == "folder"
        else f"s3://{bucket}{'/flows/x' * (kind == 'bucket')}"
    )


@pytest.fixture(params=PLACES)
def storage(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> Storage:
    return open_storage(address_of(request.param, bucket, tmp_path))


def put_file(storage: Storage, key: str, data: bytes) -> None:
    """Store a file, and leave none."""
    part = storage.scratch() / f"test-part-{os.getpid()}"
    part.write_bytes(data)
    try:
        storage.put(key, part)
    finally:
        part.unlink(missing_ok=True)


@pytest.mark.parametrize("data", [b"", b"one", MEBIBYTE * 11])
def test_what_is_put_can_be_read(storage: Storage, data: bytes) -> None:
    storage.put("values/a=1", data)
    put_file(storage, "values/b", data)
    assert storage.read("values/a=1") == data
    with storage.fetched("values/b") as path:
        assert path.read_bytes() == data


def test_an_object_takes_the_place_of_another(storage: Storage) -> None:
    storage.put("a", b"old and long")
    put_file(storage, "a", b"new")
    assert storage.read("a") == b"new"


def test_what_is_not_there_is_told(storage: Storage) -> None:
    storage.put("a", b"1")
    assert (storage.has("a"), storage.has("none")) == (True, False)
    with pytest.raises(FileNotFoundError, match="/none"):
        storage.read("none")
    with pytest.raises(FileNotFoundError, match="/none"), storage.fetched("none"):
        pass


def test_an_object_that_is_no_longer_young_is_put_once_more(bucket: str) -> None:
    """As nothing else keeps it from the bucket's rules by age."""
    Bucket(bucket, "").put("a", b"1")
    later = [Bucket(bucket, "", clock).has("a") for clock in (time.time, lambda: time.time() + 1.1 * YOUNG)]
    assert later == [True, False]


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../../b", "a//b", "./a", "a/", "."])
def test_a_key_stays_below_the_storage(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="is no key of a storage"):
        storage.put(key, b"")
    with pytest.raises(ValueError, match="is no key of a storage"):
        storage.read(key)


@pytest.mark.parametrize("kind", PLACES[:2])
def test_a_large_object_is_never_in_memory_as_a_whole(kind: str, bucket: str, tmp_path: Path) -> None:
    """In a process of its own, because the stand-in for S3 keeps it in this one."""
    size = 160
    address = address_of(kind, bucket, tmp_path)
    command = [sys.executable, "-c", STREAM, address, str(size), f"test-part-{os.getpid()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    read, grown = (int(word) for word in done.stdout.split())
    assert read == size << 20
    assert grown < 96 << 10  # KiB


@pytest.mark.parametrize("fault", [BUSY, BROKEN, Cut.DROPPED, Cut.LOST])
@pytest.mark.parametrize("parts", [False, True])
def test_what_may_pass_is_tried_again(bucket: str, in_aws: AwsApi, fault: Fault, *, parts: bool) -> None:
    storage = Bucket(bucket, "")
    planned = [
        in_aws.fail("s3", action, fault, times=2) for action in ("PutObject", "UploadPart", "GetObject")
    ]
    data = MEBIBYTE * (9 if parts else 1) + b"end"
    put_file(storage, "a", data)
    assert storage.read("a") == data
    assert [one.happened for one in planned] == [0 if parts else 2, 2 if parts else 0, 2]


def failure(storage: Storage) -> tuple[str, str]:
    """What a failed write and a failed read say."""
    with pytest.raises(StorageError) as written:
        storage.put("a", b"")
    with pytest.raises(StorageError) as read:
        storage.read("a")
    return str(written.value), str(read.value)


def test_a_missing_permission_is_named(bucket: str, in_aws: AwsApi) -> None:
    for action in ("PutObject", "GetObject"):
        in_aws.fail("s3", action, DENIED, times=9)
    caller = "arn:aws:sts::123456789012:assumed-role/tests/session"
    said = "AccessDenied: User: {} is not authorized to perform: s3:{} because no identity-based policy allows it"
    assert failure(Bucket(bucket, "flows")) == (
        f"s3://acme-results/flows/a cannot be written: {said.format(caller, 'PutObject')}; it takes s3:PutObject "
        "on arn:aws:s3:::acme-results/flows/*",
        f"s3://acme-results/flows/a cannot be read: {said.format(caller, 'GetObject')}; it takes s3:GetObject "
        "on arn:aws:s3:::acme-results/flows/*",
    )


def test_a_missing_bucket_is_named(in_aws: AwsApi) -> None:
    text = "s3://no-such-bucket/flows/a cannot be {}: there is no bucket no-such-bucket"
    found = failure(Bucket("no-such-bucket", "flows"))
    assert found == (text.format("written"), text.format("read"))


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def test_the_role_of_an_instance_is_enough(
    bucket: str, in_aws: AwsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto stands for the instance's metadata service as well."""
    for name in NO_KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", in_aws.url)
    Bucket(bucket, "").put("a", b"1")
    assert [call.caller for call in in_aws.calls] == ["test-key"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {**NO_KEYS, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"},
            "no AWS credentials were found; give the run a role",
        ),
        ({"AWS_SECRET_ACCESS_KEY": ""}, ": Missing SecretAccessKey"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "no answer from http://127.0.0.1:9: tcp connect error: Connection refused",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://minio:9000"},
            "not encrypted; where that is meant, set AWS_ALLOW_HTTP=true",
        ),
    ],
)
def test_what_is_wrong_around_it_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
        if not value:
            monkeypatch.delenv(name)
    found = failure(Bucket(bucket, ""))
    assert [words in text for text in found] == [True, True], found


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch, bucket: str) -> str:
    """The bucket, and an environment that names another region than its own."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return bucket


Answers = Callable[[Call, Callable[[], Answer]], Answer]


def moved(status: int, headers: Mapping[str, str], code: str) -> Answers:
    """An endpoint of S3 that answers this to whoever signs for another region than eu-west-1."""
    body = f"<Error><Code>{code}</Code><Message>Elsewhere.</Message></Error>".encode()

    def answer(call: Call, proceed: Callable[[], Answer]) -> Answer:
        return proceed() if call.region == "eu-west-1" else Answer(status, headers, body)

    return answer


# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and .../userguide/Redirects.html
ELSEWHERE = {
    "redirect": moved(301, {"x-amz-bucket-region": "eu-west-1"}, "PermanentRedirect"),
    "temporary": moved(307, {"Location": "https://x.example/a"}, "TemporaryRedirect"),
    "signed for another": moved(400, {}, "AuthorizationHeaderMalformed"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_bucket_in_another_region_is_found(far_away: str, in_aws: AwsApi, kind: str) -> None:
    in_aws.answer_with("s3", "*", ELSEWHERE[kind])
    storage = Bucket(far_away, "")
    put_file(storage, "a", MEBIBYTE * 9)  # in parts, and all of them once more
    storage.put("b", b"2")
    assert (storage.read("a"), storage.read("b")) == (MEBIBYTE * 9, b"2")
    regions = [call.region for call in in_aws.calls]
    assert "us-east-1" not in regions[regions.index("eu-west-1") :]  # it is remembered
    assert Bucket(far_away, "").read("b") == b"2"


def test_a_region_that_nobody_tells_is_asked_of_the_user(far_away: str, in_aws: AwsApi) -> None:
    in_aws.answer_with("s3", "*", ELSEWHERE["signed for another"])
    in_aws.client("s3").delete_bucket(Bucket=far_away)  # so that moto does not say where it is
    text = "s3://acme-results/a cannot be {}: the bucket is not in region us-east-1; set AWS_REGION to the one it is in"
    found = failure(Bucket(far_away, ""))
    assert found == (text.format("written"), text.format("read"))
