"""Runs that keep their results in a bucket: what is there afterwards, who can read it, and what a failure does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from flowyard.running.results import ResultFile, describe_result
from flowyard.values import ResultPlace
from tests.aws.api import AwsApi
from tests.aws.faults import Refusal
from tests.integration.runtime_images import Image, Runs, make_image

pytest_plugins = ("tests.aws.fixtures",)

BUCKET, ADDRESS = "acme-results", "s3://acme-results/flows"
BEGINS = "Flow run encountered an exception: "
DENIED = Refusal("AccessDenied", "User: {caller} may not {action}", 403)
FLOW = """
import datetime
import threading
from pathlib import Path

from prefect import flow, get_client, task
from prefect.task_runners import ProcessPoolTaskRunner

CALLS = Path(__file__).with_name("calls.txt")


def note(word):
    with CALLS.open("a") as stream:
        stream.write(word + " ")


@flow
def plain(number: int):
    return {"doubled": 2 * number}


@flow
def dated():
    return (datetime.date(2026, 3, 2), [1])


@flow
def fails():
    raise ValueError("as it should")


@flow
def unkeepable():
    return {"lock": threading.Lock()}


@flow
async def awaited():
    return "waited"


@flow(persist_result=True, result_serializer="pickle")
def pickled(value=1):
    return threading.Lock() if value is None else {"a": value}


@task(persist_result=True, cache_key_fn=lambda context, parameters: "always-the-same")
def once():
    note("once")
    return 20


@flow
def cached():
    return once() + once.submit().result()


@flow
def child():
    note("child")
    return 7


@flow(retries=1)
def retried():
    value = child()
    note("parent")
    if CALLS.read_text().count("parent") < 2:
        raise RuntimeError("again")
    return value


@flow
def reads(run: str):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state.result()


@task(persist_result=True)
def square(number):
    return number * number


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def pooled():
    return sum(square.map([1, 2, 3]).result())
"""
NAMES = (
    "plain",
    "dated",
    "fails",
    "awaited",
    "unkeepable",
    "pickled",
    "cached",
    "retried",
    "reads",
    "pooled",
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = make_image(tmp_path_factory.mktemp("image"), FLOW)
    described = made.describe(*(f"flow.py:{name}" for name in NAMES))
    assert described.returncode == 0, described.stderr
    return made


@pytest.fixture
def runs(prefect_api: str, image: Image, aws: AwsApi) -> Runs:
    """Runs that write to a bucket of an account as new."""
    place = {"LocationConstraint": "eu-west-1"}
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    (image.folder / "calls.txt").unlink(missing_ok=True)
    return Runs(prefect_api, image, {**aws.environment("task"), "FLOWYARD_RESULTS": ADDRESS})


def objects(aws: AwsApi) -> dict[str, bytes]:
    """What is in the bucket."""
    client = aws.client("s3")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def shown(aws: AwsApi, state: Any) -> Any:
    """What the host says of the result, from the object at the address that the state names."""
    place = ResultPlace(state["data"]["storage_key"], json.dumps(state["data"]["serializer"]))
    assert place.key.startswith(f"{ADDRESS}/")
    content = objects(aws)[place.key.removeprefix(f"s3://{BUCKET}/")]
    found = describe_result(ResultFile(content, len(content), place.key), place)
    return found.get("lost") or found.get("json") or found["repr"].partition(",")[0]


def calls(image: Image) -> str:
    return (image.folder / "calls.txt").read_text().strip()


def test_what_is_kept_can_be_read_again(runs: Runs, aws: AwsApi, image: Image) -> None:
    """By a retry, by a task that is cached, in another process, by the flow of another run."""
    first = runs.pending("plain", {"number": 21})
    names = ("dated", "fails", "awaited", "unkeepable", "pickled", "cached", "retried", "pooled")
    others = [runs.pending(name) for name in names]
    reading = runs.pending("reads", {"run": first.run})
    states = dict(zip(("plain", *names, "reads"), runs.execute(first, *others, reading), strict=True))
    found = {name: (state["type"], shown(aws, state)) for name, state in states.items()}
    assert found == {
        "plain": ("COMPLETED", {"doubled": 42}),
        "dated": ("COMPLETED", ["2026-03-02", [1]]),
        "fails": ("FAILED", "ValueError('as it should')"),
        "awaited": ("COMPLETED", "waited"),
        "unkeepable": ("COMPLETED", "TypeError: cannot pickle '_thread.lock' object"),
        "pickled": ("COMPLETED", "(the result was written with serializer 'pickle'"),
        "cached": ("COMPLETED", 40),
        "retried": ("COMPLETED", 7),
        "pooled": ("COMPLETED", 14),
        "reads": ("COMPLETED", {"doubled": 42}),
    }
    assert calls(image) == "once child parent parent"
    assert "s3:GetObject" in aws.actions()


def test_a_run_whose_result_cannot_be_written_has_failed(runs: Runs, aws: AwsApi) -> None:
    """And one that failed by itself keeps its own reason."""
    denied = aws.fail("s3", "PutObject", DENIED, times=3)
    asked = [
        runs.pending("plain", {"number": 1}),
        runs.pending("fails"),
        runs.pending("plain", {"number": 1}, {"FLOWYARD_RESULTS": "s3://no-such-bucket/flows"}),
        runs.pending("plain", {"number": 1}, {"FLOWYARD_RESULTS": "file:///proc/results"}),
        runs.pending("pickled", {"value": None}),
    ]
    states = runs.execute(*asked)
    lost = "ResultNotWritten: the flow returned, but its result could not be written: "
    caller = "arn:aws:sts::123456789012:assumed-role/task/session"
    expected = [
        f"{lost}s3://acme-results/flows/KEY cannot be written: AccessDenied: User: {caller} may not s3:PutObject; it "
        "takes s3:PutObject on arn:aws:s3:::acme-results/flows/*",
        "ValueError: as it should",
        f"{lost}s3://no-such-bucket/flows/KEY cannot be written: there is no bucket no-such-bucket",
        f"{lost}[Errno 2] No such file or directory: '/proc/results'",
        f"{lost}Failed to serialize object of type 'lock' with serializer 'pickle'. ",
    ]
    for state, text in zip(states, expected, strict=True):
        told = re.sub("[0-9a-f]{32}", "KEY", state["message"])
        assert (state["type"], told[: len(BEGINS + text)]) == ("FAILED", BEGINS + text)
    assert denied.happened == 3
    assert list(objects(aws)) == [states[-1]["data"]["storage_key"].removeprefix(f"s3://{BUCKET}/")]
    (said,) = (line for line in runs.log(asked[0]) if line.startswith("Finished in state"))
    assert "it takes s3:PutObject on" in said
