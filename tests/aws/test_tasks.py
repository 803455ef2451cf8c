"""Where tasks are looked at: the fake of the unit tests and ECS's API answer alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pytest

from flowyard.adapters.aws.tasks import EcsTasks
from flowyard.errors import AwsRefused
from flowyard.running.task_watch import LogPlace, TaskContainer, Tasks, TaskState
from tests.aws.api import REGION, AwsApi
from tests.aws.ecs_account import CLUSTER, LOG_GROUP, EcsAccount
from tests.aws.ecs_executor import EcsExecutor
from tests.aws.faults import DENIED
from tests.fakes_tasks import FakeTasks

pytest_plugins = ("tests.aws.fixtures", "tests.aws.ecs_fixtures")

PRINTING = "for number in range(30): print('line', number, flush=True)\nraise SystemExit(3)"
LINES = [f"line {number}" for number in range(30)]


@dataclass(frozen=True)
class Case:
    """Tasks, and two that ended: one that printed and one that never started."""

    tasks: Tasks
    printed: str
    never: str
    definition: str


def fake() -> Case:
    arn, definition = f"arn:aws:ecs:{REGION}:1:task/flows", f"arn:aws:ecs:{REGION}:1:task-definition/tests:1"
    exited = ("EssentialContainerExited", "Essential container in task exited")
    states = {
        "printed": TaskState(
            f"{arn}/printed", definition, "STOPPED", *exited, (TaskContainer("prefect", 3),)
        ),
        "never": TaskState(
            f"{arn}/never",
            definition,
            "STOPPED",
            "TaskFailedToStart",
            "CannotPullContainerError: no",
            (TaskContainer("prefect"),),
        ),
    }
    log = LogPlace(LOG_GROUP, "tests/prefect/printed", REGION)
    places = {f"{CLUSTER}::{arn}/{name}": [state] for name, state in states.items()}
    return Case(
        FakeTasks(places, {definition: log}, {log: LINES}),
        f"{CLUSTER}::{arn}/printed",
        f"{CLUSTER}::{arn}/never",
        definition,
    )


@pytest.fixture(params=["fake", "ECS"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        return fake()
    account: EcsAccount = request.getfixturevalue("account")
    request.getfixturevalue("in_aws")
    container = {"entryPoint": ["python", "-c", PRINTING]}
    definition = account.register(account.definition(request.getfixturevalue("python_image"), container))
    nowhere = account.register(account.definition("127.0.0.1:1/none", {}, family="never"))
    arns = [account.run(one) for one in (definition, nowhere)]
    for arn in arns:
        account.until(arn, "STOPPED")
    printed, never = (f"{CLUSTER}::{arn}" for arn in arns)
    return Case(EcsTasks(), printed, never, definition)


def test_a_task_that_ended(case: Case) -> None:
    found = case.tasks.describe(case.printed)
    assert found is not None
    assert replace(found, moments={}) == TaskState(
        case.printed.partition("::")[2],
        case.definition,
        "STOPPED",
        "EssentialContainerExited",
        "Essential container in task exited",
        (TaskContainer("prefect", 3),),
    )
    log = case.tasks.log(found)
    assert log == LogPlace(LOG_GROUP, f"tests/prefect/{found.id}", REGION)
    assert case.tasks.lines(log, 5) == tuple(LINES[-5:])
    assert case.tasks.lines(replace(log, stream="none"), 5) == ()


def test_a_task_that_never_started(case: Case) -> None:
    found = case.tasks.describe(case.never)
    assert found is not None
    assert (found.status, found.stop_code) == ("STOPPED", "TaskFailedToStart")
    assert found.reason.startswith("CannotPullContainerError: ")
    assert found.containers == (TaskContainer("prefect"),)


def test_what_is_not_there(case: Case) -> None:
    assert case.tasks.describe(f"{case.printed}0") is None
    assert case.tasks.describe("a push pool's own") is None


def test_when_a_task_came_to_which_point(
    account: EcsAccount, python_image: str, in_aws: AwsApi, ecs: EcsExecutor
) -> None:
    began = time.time()
    arn = account.run(account.register(account.definition(python_image, {"entryPoint": ["true"]})))
    account.until(arn, "STOPPED")
    found = EcsTasks().describe(f"{CLUSTER}::{arn}")
    assert found is not None
    names = ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppedAt")
    times = [found.moments[name] for name in names]
    assert began - 1 < times[0] <= times[1] <= times[2] <= times[3] <= times[4] < time.time() + 1
    assert in_aws.actions("ecs") == ["ecs:DescribeTasks"]


def test_a_missing_permission_names_the_action(account: EcsAccount, in_aws: AwsApi) -> None:
    in_aws.fail("ecs", "DescribeTasks", DENIED)
    arn = f"arn:aws:ecs:{REGION}:123456789012:task/{CLUSTER}/1"
    with pytest.raises(AwsRefused, match=r"^AWS refused ecs:DescribeTasks on arn:aws:ecs:") as refused:
        EcsTasks().describe(f"{CLUSTER}::{arn}")
    assert (refused.value.code, "ecs:DescribeTasks" in refused.value.hint) == ("AccessDeniedException", True)
