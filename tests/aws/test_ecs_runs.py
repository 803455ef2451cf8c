"""From `python build.py flows/etl --target production` to a flow run that an ECS task completed, and how runs fail.

In the stand-in; in a real account too, where one is given (docs/aws-standin.md).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from flowyard.target import BucketStorage
from flowyard.values import Json
from tests.aws.calls import refusal_answer
from tests.aws.ecs_executor import QUEUE
from tests.aws.faults import DENIED
from tests.aws.site import SECRET_VARIABLE, Site
from tests.aws.site_account import KINDS, account_site
from tests.aws.site_stand_in import stand_in_site

pytest_plugins = ("tests.aws.fixtures",)


# Where something of AWS is taken away.
only_the_stand_in = pytest.mark.parametrize("site", ["stand-in"], indirect=True)


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if request.param == "account":
        with account_site(tmp_path_factory.mktemp("account")) as made:
            yield made
        return
    engine: docker.DockerClient = request.getfixturevalue("engine")
    front, prefect = request.getfixturevalue("session_front"), request.getfixturevalue("prefect_api")
    with stand_in_site(front, engine, prefect, tmp_path_factory.mktemp("site")) as made:
        yield made


def digest_of(site: Site) -> str:
    """The digest that was shipped."""
    name, image = site.shipped.stdout.split()
    assert name == "etl"
    return image.partition("@")[2]


def test_a_shipped_flow_completes_in_ecs_and_its_result_is_read_from_s3(site: Site) -> None:
    done = site.program("run", "etl/daily", "--json", caller="developer")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["run"]["state"] == "COMPLETED"
    secret = hashlib.sha256(site.secret.encode()).hexdigest()
    assert told["result"]["json"] == {"secret": secret, "arn in sight": False, "rows": [1, 2, 3]}
    digest = digest_of(site)
    assert told["run"]["image"].endswith(f"@{digest}")
    task = site.task(told["run"]["id"])
    (container,) = task["containers"]
    assert container["image"] == told["run"]["image"]
    assert (container["imageDigest"], container["exitCode"]) == (digest, 0)
    assert told["task"]["arn"] == task["taskArn"]
    names = [phase["name"] for phase in told["delay"]["phases"]]
    assert names == [
        *("queue", "worker poll", "submission", "provisioning", "pull"),
        *("container start", "Prefect's start", "imports", "engine"),
    ]
    assert f"task {task['taskArn'].rpartition('/')[2]}: RUNNING" in done.stderr
    results = site.target.results
    assert isinstance(results, BucketStorage)
    kept = site.client("s3").list_objects_v2(Bucket=results.bucket, Prefix=f"{results.prefix}/")
    assert kept["KeyCount"] >= 1


def test_what_was_shipped_is_what_ecr_and_prefect_hold(site: Site) -> None:
    digest = digest_of(site)
    details = site.client("ecr").describe_images(repositoryName="flows/etl")["imageDetails"]
    assert digest in {one["imageDigest"] for one in details}
    assert {site.deployment(name)["job_variables"]["image"].partition("@")[2] for name in DEPLOYED} == {
        digest
    }
    (container,) = site.definition()["containerDefinitions"]
    assert container["image"].endswith(f"@{digest}")
    assert [one["name"] for one in container["secrets"]] == [SECRET_VARIABLE]
    assert site.secret not in json.dumps([site.deployment(), site.definition()], default=str)


DEPLOYED = ("daily", "other")
RUNS = 6
AT_ONCE = 3


def completed(site: Site, count: int) -> dict[str, str]:
    """The states in which so many runs ended, by run; a few are under way at a time."""
    states: dict[str, str] = {}
    waiting: list[str] = []
    for _ in range(count):
        waiting.append(site.trigger())
        if len(waiting) == AT_ONCE:
            first = waiting.pop(0)
            states[first] = site.until(first)["state"]["type"]
    return states | {run: site.until(run)["state"]["type"] for run in waiting}


def test_no_worker_registers_a_task_definition(site: Site) -> None:
    """Over some runs and a worker restart in between; 20 were no different, and took minutes."""
    before = site.revisions()
    registered = [] if site.stand_in is None else site.stand_in.api.actions("ecs")
    states = completed(site, RUNS // 2)
    site.worker.stop()
    site.worker.start()
    states |= completed(site, RUNS // 2)
    assert list(states.values()) == ["COMPLETED"] * RUNS
    assert {site.read(run)["infrastructure_pid"] for run in states} != {None}
    assert site.revisions() == before
    if site.stand_in is not None:
        made = site.stand_in.api.actions("ecs")[len(registered) :]
        assert made.count("ecs:RunTask") == RUNS
        assert [one for one in made if one.endswith("TaskDefinition")] == [
            "ecs:DescribeTaskDefinition"
        ] * RUNS


def nowhere(container: dict[str, Json]) -> None:
    """An image that is not there."""
    container["image"] = f"{container['image'].partition('@')[0]}@sha256:{'0' * 64}"


def nobody(container: dict[str, Json]) -> None:
    """A secret that is not there."""
    arn, _, _ = container["secrets"][0]["valueFrom"].rpartition(":secret:")
    container["secrets"] = [{"name": SECRET_VARIABLE, "valueFrom": f"{arn}:secret:nobody-AbCdEf"}]


# Of each way to fail: the state the run ends in, words that Prefect has of it, why ECS stopped the task, what its
# container's reason is. How it comes about is `TRIGGERS`.
EXITED = "EssentialContainerExited"
FAILURES = {
    "raise": ("FAILED", "ValueError: no orders", EXITED, None),
    "exit": ("CRASHED", "status code: 17", EXITED, None),
    "kill": ("CRASHED", "SIGKILL", EXITED, None),
    "memory": ("CRASHED", "SIGKILL", EXITED, "OutOfMemoryError: Container killed due to memory usage"),
    "no image": ("CRASHED", "CannotPullContainerError: ", "TaskFailedToStart", None),
    "no secret": (
        "CRASHED",
        "ResourceInitializationError: unable to pull secrets",
        "TaskFailedToStart",
        None,
    ),
    "no cluster": ("CRASHED", "cluster 'nobody' not found", None, None),
}
TRIGGERS: dict[str, Callable[[Site], str]] = {
    "raise": lambda site: site.trigger("raise"),
    "exit": lambda site: site.trigger("exit"),
    "kill": lambda site: site.trigger("kill"),
    "memory": lambda site: site.trigger("memory"),
    "no image": lambda site: site.trigger(task_definition_arn=site.variant(nowhere)),
    "no secret": lambda site: site.trigger(task_definition_arn=site.variant(nobody)),
    "no cluster": lambda site: site.trigger(cluster="nobody"),
}


@pytest.fixture(scope="module")
def failing(site: Site) -> dict[str, str]:
    """The runs that fail, by how. They are triggered before any is waited for, but not all at once."""
    runs: dict[str, str] = {}
    for name, trigger in TRIGGERS.items():
        runs[name] = trigger(site)
        if len(runs) >= AT_ONCE:
            site.until(list(runs.values())[-AT_ONCE])
    return runs


@pytest.mark.parametrize("how", FAILURES)
def test_how_runs_fail(site: Site, failing: dict[str, str], how: str) -> None:
    state, words, code, reason = FAILURES[how]
    found = site.until(failing[how])
    assert found["state"]["type"] == state
    site.until_told(failing[how], words, found["state"]["message"])
    if code is None:
        assert found["infrastructure_pid"] is None
        return
    task = site.task(failing[how])
    assert (task["stopCode"], task["containers"][0].get("reason")) == (code, reason)
    assert ("startedAt" in task) == (code == EXITED)


def sleeping(site: Site) -> str:
    """A run whose flow has begun to sleep."""
    run = site.trigger("sleep")
    site.until(run, "RUNNING")
    deadline = time.monotonic() + 60
    while "mode sleep" not in site.logs(run):
        assert time.monotonic() < deadline, site.logs(run)
        time.sleep(0.2)
    return run


def test_a_cancelled_run_stops_its_flow_and_its_task(site: Site) -> None:
    run = sleeping(site)
    begun = time.monotonic()
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    site.prefect.request("POST", f"/flow_runs/{run}/set_state", cancelling)
    assert site.until(run)["state"]["type"] == "CANCELLED"
    task = site.task(run)
    print(f"cancelled and stopped after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 30
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == (EXITED, 0)


def test_a_task_that_somebody_stops_gets_sigterm_and_its_run_crashes(site: Site) -> None:
    run = sleeping(site)
    begun = time.monotonic()
    cluster, _, arn = site.read(run)["infrastructure_pid"].partition("::")
    site.client("ecs").stop_task(cluster=cluster, task=arn, reason="maintenance")
    assert site.until(run)["state"]["type"] == "CRASHED"
    task = site.task(run)
    print(f"stopped and crashed after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 25  # SIGKILL comes after 30 s
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "maintenance")
    assert task["containers"][0]["exitCode"] == 143


def broken(site: Site) -> Any:
    """Let the other deployment name an image that is not there, and start it with the program."""
    other = site.deployment("other")
    variables = {**other["job_variables"], "task_definition_arn": site.variant(nowhere)}
    site.prefect.request("PATCH", f"/deployments/{other['id']}", {"job_variables": variables})
    return site.program("run", "etl/other", "--json", caller="developer")


def test_a_run_that_cannot_start_is_told_by_the_program(site: Site) -> None:
    done = broken(site)
    assert done.returncode == 1
    told = json.loads(done.stdout)["error"]
    assert " ended CRASHED: " in told["message"]
    assert "STOPPED (TaskFailedToStart: CannotPullContainerError: " in told["notes"][0]
    assert told["notes"][1].startswith("its output: CloudWatch Logs, ")


@only_the_stand_in
def test_a_run_of_which_nothing_is_heard_ends_the_program(site: Site) -> None:
    assert site.stand_in is not None
    site.stand_in.queue = "none"
    try:
        done = broken(site)
    finally:
        site.stand_in.queue = QUEUE
    assert done.returncode == 1
    told = json.loads(done.stdout)["error"]
    assert "but Prefect has not heard of it: the run is still " in told["message"]
    assert "prefect-aws ecs-worker deploy-events" in told["hint"]


@only_the_stand_in
def test_a_developer_who_may_not_look_at_tasks_is_told_so_and_gets_the_result(site: Site) -> None:
    assert site.stand_in is not None
    # The observer, which asks as well, goes without: the run tells of itself.
    site.stand_in.api.answer_with("ecs", "DescribeTasks", lambda call, _: refusal_answer(call, DENIED))
    try:
        done = site.program("run", "etl/daily", caller="developer")
    finally:
        site.stand_in.install()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == [1, 2, 3]
    assert "the task cannot be watched: AWS refused ecs:DescribeTasks on " in done.stderr
