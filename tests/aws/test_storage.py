"""A storage of the runtime part keeps the same promises in a folder and in a bucket; and what a bucket refuses."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from flowyard.runtime.bucket import Bucket
from flowyard.runtime.storage import Folder, NotThere, Storage, StorageError, Stored, TooLarge, open_storage
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
storage.put("warm", iter([b"up"]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
storage.put("large", (bytes(1 << 20) for _ in range(int(sys.argv[2]))))
read = sum(len(part) for part in storage.read("large"))
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


@pytest.fixture(params=["folder", "bucket", "whole bucket"])
def storage(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return Folder(tmp_path / "values")
    return Bucket(bucket, "flows/x" if request.param == "bucket" else "")


def stored(data: bytes) -> Stored:
    return Stored(len(data), hashlib.sha256(data).hexdigest())


def whole(storage: Storage, key: str) -> bytes:
    return b"".join(storage.read(key))


@pytest.mark.parametrize("data", [b"", b"one", MEBIBYTE * 11])
def test_what_is_put_can_be_read(storage: Storage, data: bytes) -> None:
    assert storage.put("values/a=1", data) == stored(data)
    assert whole(storage, "values/a=1") == data


@pytest.mark.parametrize("parts", [[], [b"o", b"", b"ne"], [MEBIBYTE] * 11])
def test_what_comes_in_parts_is_one_object(storage: Storage, parts: list[bytes]) -> None:
    assert storage.put("a", iter(parts)) == stored(b"".join(parts))
    assert whole(storage, "a") == b"".join(parts)


def test_an_object_takes_the_place_of_another(storage: Storage) -> None:
    storage.put("a", b"old and long")
    storage.put("a", iter([b"new"]))
    assert whole(storage, "a") == b"new"


def test_what_is_not_there_is_told(storage: Storage) -> None:
    storage.put("a", b"1")
    with pytest.raises(NotThere, match="/none"):
        whole(storage, "none")


def test_an_object_larger_than_wanted_is_not_read(storage: Storage) -> None:
    storage.put("a", b"12345")
    assert b"".join(storage.read("a", 5)) == b"12345"
    with pytest.raises(TooLarge, match=r"/a has 5 bytes, more than 4$"):
        next(storage.read("a", 4))


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../../b", "a//b", "./a", "a/", "."])
def test_a_key_stays_below_the_storage(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="is no key of a storage"):
        storage.put(key, b"")
    with pytest.raises(ValueError, match="is no key of a storage"):
        whole(storage, key)


def broken() -> Iterator[bytes]:
    yield MEBIBYTE * 11
    raise RuntimeError("no more")


def test_of_what_breaks_off_nothing_is_left(storage: Storage) -> None:
    storage.put("a", b"before")
    with pytest.raises(RuntimeError, match="no more"):
        storage.put("a", broken())
    with pytest.raises(RuntimeError, match="no more"):
        storage.put("b", broken())
    assert whole(storage, "a") == b"before"
    with pytest.raises(NotThere):
        whole(storage, "b")


def test_no_upload_and_no_file_is_left_of_what_broke_off(bucket: str, in_aws: AwsApi, tmp_path: Path) -> None:
    for storage in (Folder(tmp_path), Bucket(bucket, "")):
        with pytest.raises(RuntimeError, match="no more"):
            storage.put("b", broken())
    assert in_aws.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert list(tmp_path.iterdir()) == []


def test_a_large_object_is_never_in_memory_as_a_whole(storage: Storage) -> None:
    """In a process of its own, because the stand-in for S3 keeps it in this one."""
    size = 160
    command = [sys.executable, "-c", STREAM, storage.address, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    read, grown = (int(word) for word in done.stdout.split())
    assert read == size << 20
    assert grown < 96 << 10  # KiB


def test_the_address_opens_the_same_storage(tmp_path: Path) -> None:
    assert open_storage(tmp_path.as_uri()).address == tmp_path.as_uri()
    assert open_storage("s3://acme-results/flows/x").address == "s3://acme-results/flows/x"
    assert open_storage("s3://acme-results").address == "s3://acme-results"


@pytest.mark.parametrize("fault", [BUSY, BROKEN, Cut.DROPPED, Cut.LOST])
@pytest.mark.parametrize("parts", [False, True])
def test_what_may_pass_is_tried_again(bucket: str, in_aws: AwsApi, fault: Fault, *, parts: bool) -> None:
    storage = Bucket(bucket, "")
    planned = [
        in_aws.fail("s3", action, fault, times=2) for action in ("PutObject", "UploadPart", "GetObject")
    ]
    data = iter([MEBIBYTE, b"end"]) if parts else MEBIBYTE + b"end"
    assert storage.put("a", data) == stored(MEBIBYTE + b"end")
    assert whole(storage, "a") == MEBIBYTE + b"end"
    assert [one.happened for one in planned] == [0 if parts else 2, 2 if parts else 0, 2]


def failure(storage: Storage) -> tuple[str, str]:
    """What a failed write and a failed read say."""
    with pytest.raises(StorageError) as written:
        storage.put("a", b"")
    with pytest.raises(StorageError) as read:
        whole(storage, "a")
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
    for data in (b"1", iter([b"1"])):
        storage = Bucket(far_away, "")
        storage.put("a", data)
        storage.put("b", b"2")
        assert (whole(storage, "a"), whole(storage, "b")) == (b"1", b"2")
    regions = [call.region for call in in_aws.calls]
    assert regions.count("us-east-1") == 1  # asked where it is before the data in parts was touched
    reading = Bucket(far_away, "")
    assert whole(reading, "b") == b"2"


def test_a_region_that_nobody_tells_is_asked_of_the_user(far_away: str, in_aws: AwsApi) -> None:
    in_aws.answer_with("s3", "*", ELSEWHERE["signed for another"])
    in_aws.client("s3").delete_bucket(Bucket=far_away)  # so that moto does not say where it is
    text = "s3://acme-results/a cannot be {}: the bucket is not in region us-east-1; set AWS_REGION to the one it is in"
    found = failure(Bucket(far_away, ""))
    assert found == (text.format("written"), text.format("read"))
