"""A storage as a folder, addresses, and what a bucket's errors are told as. What a bucket keeps: tests/aws."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowyard.runtime.bucket import TIMES, client_options, endpoint_of, region_of
from flowyard.runtime.bucket_errors import Asked, told
from flowyard.runtime.persistence import persisting
from flowyard.runtime.storage import (
    Folder,
    NotThere,
    StorageError,
    folder_of,
    is_bucket,
    open_storage,
)

WRITTEN = Asked("PutObject", "acme", "flows", "k")
READ = Asked("GetObject", "acme", "", "k")


def test_a_folder_keeps_files(tmp_path: Path) -> None:
    storage = Folder(tmp_path / "not yet")
    part = storage.scratch() / "part"
    part.write_bytes(b"one two")
    storage.put("a/b", part)
    storage.put("a/c", b"")
    again = open_storage((tmp_path / "not yet").as_uri())
    assert (again.read("a/b"), again.read("a/c"), again.has("a/b")) == (b"one two", b"", True)
    with again.fetched("a/b") as path:
        assert path.read_bytes() == b"one two"
    assert not again.has("a/d")
    with pytest.raises(FileNotFoundError, match="a/d"):
        again.read("a/d")
    with pytest.raises(FileNotFoundError, match="a/d"), again.fetched("a/d"):
        pass


def test_of_what_cannot_be_written_a_folder_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        Folder(tmp_path).put("a", b"1")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_asking_makes_a_file_young(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    storage.put("a", b"1")
    os.utime(tmp_path / "a", (1, 1))
    assert storage.has("a")
    assert (tmp_path / "a").stat().st_mtime > 1_000_000_000


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    storage = Folder(tmp_path)
    with pytest.raises(OSError, match=r"(File exists|Not a directory): '.*/a'$"):
        storage.put("a/b", b"")
    with pytest.raises(OSError, match=r"Not a directory: '.*/a/b'$"):
        storage.read("a/b")


@pytest.mark.parametrize("key", ["", ".", "/a", "../a", "a/../b", "a//b", "a/"])
def test_a_key_stays_below_its_storage(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="is no key of a storage"):
        Folder(tmp_path).put(key, b"")


@pytest.mark.parametrize("address", ["/folder", "file://host/folder", "file:relative", "gs://bucket/x", ""])
def test_what_is_no_place_for_results(address: str) -> None:
    with pytest.raises(ValueError, match=r"it has to be file:///FOLDER or s3://BUCKET/PREFIX$"):
        open_storage(address)


def test_a_flow_is_not_started_with_a_place_that_is_none() -> None:
    from prefect import flow

    @flow
    def one() -> None: ...

    with pytest.raises(ValueError, match="gs://bucket is no place for results"):
        persisting(one, "gs://bucket")


def test_addresses() -> None:
    assert folder_of("file:///var/lib/my%20results") == Path("/var/lib/my results")
    assert [is_bucket(address) for address in ("s3://a", "file:///s3", "s3")] == [True, False, False]


@pytest.mark.parametrize(
    ("environ", "region", "endpoint"),
    [
        ({}, "us-east-1", "https://s3.us-east-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        (
            {"AWS_REGION": "cn-north-1", "AWS_DEFAULT_REGION": "eu-west-1"},
            "cn-north-1",
            "https://s3.cn-north-1.amazonaws.com.cn",
        ),
        ({"AWS_REGION": "eusc-de-east-1"}, "eusc-de-east-1", "https://s3.eusc-de-east-1.amazonaws.eu"),
        ({"AWS_ENDPOINT_URL": "http://a:1/"}, "us-east-1", "http://a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_S3": "https://b"}, "us-east-1", "https://b"),
    ],
)
def test_where_the_environment_says_s3_is(environ: dict[str, str], region: str, endpoint: str) -> None:
    assert (region_of(environ), endpoint_of(environ, region)) == (region, endpoint)


@pytest.mark.parametrize(
    ("environ", "endpoint", "options"),
    [
        ({}, "https://s3.example", {}),
        ({}, "http://127.0.0.1:5000", {"allow_http": True}),
        ({}, "http://localhost:5000", {"allow_http": True}),
        ({"AWS_ALLOW_HTTP": "True"}, "http://minio:9000", {"allow_http": True}),
        ({"AWS_CA_BUNDLE": "/no/such/file"}, "https://s3.example", {}),
    ],
)
def test_how_the_library_connects(
    environ: dict[str, str], endpoint: str, options: Mapping[str, object]
) -> None:
    assert client_options(environ, endpoint) == {**TIMES, **options}


def test_a_bundle_of_authorities_is_handed_over(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"PEM")
    environ = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
    assert client_options(environ, "https://s3.example") == {**TIMES, "root_certificate": b"PEM"}


def test_results_do_not_travel_in_the_clear_by_accident() -> None:
    with pytest.raises(StorageError, match="not encrypted; where that is meant, set AWS_ALLOW_HTTP=true"):
        client_options({}, "http://minio:9000")


def answered(code: str, message: str = "Because.") -> str:
    """The library's text of an answer of S3's; 0.12.1 wrote it."""
    return (
        "Generic S3 error: Error performing PUT https://s3.eu-west-1.amazonaws.com/acme/flows/k in 3ms - Server "
        f'returned non-2xx status code: 403 Forbidden: <?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}'
        f"</Code><Message>{message}</Message><RequestId>R</RequestId></Error>\n\nDebug source:\nGeneric {{\n"
    )


def connection(account: str) -> str:
    """The library's text of a connection that failed."""
    return (
        "Generic S3 error: Error performing PUT https://localhost:5993/fine/p/a in 549ms, after 3 retries, "
        "max_retries: 3, retry_timeout: 20s  - HTTP error: error sending request\n\nDebug source:\nGeneric {\n    "
        f'store: "S3",\n{account}'
    )


IN = "s3://acme/flows/k cannot be written: "


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            answered("AccessDenied", "User: x is not authorized to perform: s3:PutObject on &quot;k&quot;."),
            'AccessDenied: User: x is not authorized to perform: s3:PutObject on "k"; it takes s3:PutObject on '
            "arn:aws-us-gov:s3:::acme/flows/*",
        ),
        (
            answered("ExpiredToken", "The provided token has expired."),
            "ExpiredToken: The provided token has expired",
        ),
        (
            answered("AuthorizationHeaderMalformed"),
            "the bucket is not in region us-gov-west-1; set AWS_REGION to the one it is in",
        ),
        (
            "Generic S3 error: Error performing PUT http://x/y in 3ms - Received redirect without LOCATION, this "
            "normally indicates an incorrectly configured region\n\nDebug source:\n",
            "the bucket is not in region us-gov-west-1; set AWS_REGION to the one it is in",
        ),
        (
            "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms - Server returned",
            "no AWS credentials were found; give the run a role (of the ECS task, the EC2 instance, a web identity), "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            connection('ConnectError(\n"dns error",\nCustom {\nerror: "failed to lookup address",\n'),
            "no answer from https://localhost:5993: dns error: failed to lookup address",
        ),
        (
            connection("kind: InvalidData,\nerror: InvalidCertificate(\nUnknownIssuer,\n"),
            "the server's certificate was not accepted; name the authority's file in SSL_CERT_FILE",
        ),
        ("Generic S3 error: Missing SecretAccessKey\n\nDebug source:\n", "Missing SecretAccessKey"),
    ],
)
def test_what_the_library_says_is_told_in_a_sentence(text: str, found: str) -> None:
    error = told(RuntimeError(text), WRITTEN, "us-gov-west-1")
    assert (type(error), str(error)) == (StorageError, IN + found)


def test_a_missing_object_is_not_a_missing_bucket() -> None:
    for asked, kind, text in (
        (READ, NotThere, "s3://acme/k cannot be read: it is not there"),
        (WRITTEN, NotThere, f"{IN}it is not there"),
    ):
        error = told(FileNotFoundError(answered("NoSuchKey")), asked, "eu-west-1")
        assert (type(error), str(error)) == (kind, text)
    error = told(FileNotFoundError(answered("NoSuchBucket")), WRITTEN, "eu-west-1")
    assert (type(error), str(error)) == (StorageError, f"{IN}there is no bucket acme")
