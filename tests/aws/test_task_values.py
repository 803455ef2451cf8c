"""Values of Docker tasks on their way through a bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowyard.runtime.tasks.storage import open_storage
from flowyard.runtime.tasks.values import Values, is_reference
from tests.aws.api import AwsApi
from tests.integration.prefect_server import free_port

pytest_plugins = ("tests.aws.fixtures",)

BUCKET = "acme-results"


@pytest.fixture
def values(in_aws: AwsApi) -> Values:
    """In an environment as that of a container, with a bucket."""
    place = {"LocationConstraint": "eu-west-1"}
    in_aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    return Values(open_storage({"FLOWYARD_RESULTS": f"s3://{BUCKET}/flows"}))


@pytest.mark.parametrize("value", [(1, {2}), b"\x01" * 3_000_000, {"many": [b"\x02" * 100_000] * 2}])
def test_a_value_crosses_a_bucket(values: Values, value: Any) -> None:
    first, second = (values.argument(value, "value", room=100) for _ in range(2))
    assert is_reference(first)
    assert (first, values.brought_in(first)) == (second, value)


def test_what_is_not_there_is_no_other_error(values: Values) -> None:
    with pytest.raises(FileNotFoundError, match="it is not there"):
        values.brought_in({"$flowyard": "reference", "key": "values/none.json", "sha256": ""})


def test_a_bucket_that_is_not_there_is_told_of(in_aws: AwsApi) -> None:
    storage = open_storage({"FLOWYARD_RESULTS": "s3://elsewhere/flows"})
    with pytest.raises(OSError, match="there is no bucket elsewhere"):
        Values(storage).argument((1, 2), "value", room=100)


@pytest.mark.usefixtures("in_aws")
def test_a_storage_that_cannot_be_reached_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", nowhere)
    storage = open_storage({"FLOWYARD_RESULTS": f"s3://{BUCKET}/flows"})
    asked: tuple[Callable[[], object], ...] = (
        lambda: Values(storage).argument((1, 2), "value", room=100),
        lambda: Values(storage).argument(b"\x01" * 3_000_000, "value", room=100),
        lambda: storage.read("runs/1/outcome.json"),
    )
    for ask in asked:
        with pytest.raises(OSError, match=f"no answer from {nowhere}: "):
            ask()
