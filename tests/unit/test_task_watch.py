"""What is told of the ECS task of a run while it is followed."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.errors import AwsRefused, FlowFailed
from flowyard.running.run import Finished, Triggered, Waiting, follow, result_of
from flowyard.running.task_watch import (
    RUNNING_SECONDS,
    STARTING_SECONDS,
    UNHEARD_SECONDS,
    LogPlace,
    TaskContainer,
    TaskState,
    TaskWatch,
    task_text,
)
from flowyard.values import FINAL_STATES, Json
from tests.fakes_tasks import FakeTasks

PLACE = "flows::arn:aws:ecs:eu-west-1:123456789012:task/flows/7c98"
DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/acme-etl:3"
LOG = LogPlace("/flows", "etl/daily/prefect/7c98", "eu-west-1")
PULL = "CannotPullContainerError: not found"
RUN = Triggered("7", "happy-cat", "daily", "r.example/etl@sha256:1")


def task(status: str, code: str = "", reason: str = "", *containers: TaskContainer) -> TaskState:
    return TaskState(PLACE.partition("::")[2], DEFINITION, status, code, reason, containers)


NOT_PULLED = task("STOPPED", "TaskFailedToStart", PULL, TaskContainer("prefect"))
EXITED = task(
    "STOPPED",
    "EssentialContainerExited",
    "Essential container in task exited",
    TaskContainer("prefect", 137, "OutOfMemoryError: Container killed due to memory usage"),
)


def run(kind: str = "PENDING", *, place: str | None = PLACE, began: bool = False) -> dict[str, Any]:
    """A run as Prefect has it: one that ends without having run has its end as its start."""
    state = {"type": kind, "name": kind.title(), "message": "no", "data": None}
    end = "2026-03-06T10:00:09Z" if kind in FINAL_STATES else None
    start = "2026-03-06T10:00:00Z" if began else end
    times = {"start_time": start, "end_time": end}
    return {"name": "happy-cat", "state": state, "infrastructure_pid": place, **times}


class Hand:
    """A Timer on which waiting takes no time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Watched:
    """A watch over these tasks, its clock, and what it said."""

    def __init__(self, *states: TaskState, **more: Any) -> None:
        self.tasks = FakeTasks({PLACE: list(states)}, {DEFINITION: LOG}, **more)
        self.clock = Hand()
        self.said: list[str] = []
        self.watch = TaskWatch(self.tasks, self.said.append, self.clock)

    def look(self, found: dict[str, Any], after: float = STARTING_SECONDS) -> None:
        self.clock.sleep(after)
        self.watch.look(found)

    def look_for_ever(self, found: dict[str, Any]) -> None:
        while True:
            self.look(found)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (task("PENDING"), "task 7c98: PENDING"),
        (task("RUNNING", "", "", TaskContainer("prefect")), "task 7c98: RUNNING"),
        (task("STOPPED"), "task 7c98: STOPPED"),
        (NOT_PULLED, f"task 7c98: STOPPED (TaskFailedToStart: {PULL})"),
        (
            EXITED,
            "task 7c98: STOPPED (EssentialContainerExited: Essential container in task exited, container prefect: "
            "exit code 137, OutOfMemoryError: Container killed due to memory usage)",
        ),
        (
            task("STOPPED", "UserInitiated", "", TaskContainer("prefect", 0), TaskContainer("beside", 1)),
            "task 7c98: STOPPED (UserInitiated, container prefect: exit code 0, container beside: exit code 1)",
        ),
    ],
)
def test_a_task_in_one_line(state: TaskState, text: str) -> None:
    assert task_text(state) == text


def test_each_state_is_said_once() -> None:
    watched = Watched(task("PROVISIONING"), task("PENDING"), task("PENDING"), task("RUNNING"))
    for _ in range(6):
        watched.look(run())
    assert watched.said == [f"  task 7c98: {name}" for name in ("PROVISIONING", "PENDING", "RUNNING")]


def test_ecs_is_asked_seldom_and_not_before_there_is_a_task() -> None:
    watched = Watched(task("PENDING"))
    watched.look(run(place=None))
    assert watched.tasks.asked == []
    for _ in range(8):
        watched.look(run(), 0.5)
    assert len(watched.tasks.asked) == 8 * 0.5 / STARTING_SECONDS
    watched.tasks.asked.clear()
    for _ in range(int(4 * RUNNING_SECONDS / 0.5)):
        watched.look(run("RUNNING", began=True), 0.5)
    assert len(watched.tasks.asked) == 4


def test_what_aws_refuses_is_said_once_and_asked_no_more() -> None:
    refused = AwsRefused("AWS refused ecs:DescribeTasks", code="AccessDeniedException", hint="let the caller")
    watched = Watched(task("PENDING"), refused=refused)
    for _ in range(3):
        watched.look(run())
    assert watched.watch.end(run("CRASHED"), ()) is None
    assert watched.tasks.asked == ["describe"]
    assert watched.said == [
        "  the task cannot be watched: AWS refused ecs:DescribeTasks",
        "    hint: let the caller",
    ]


def test_a_run_that_never_began_is_told_by_its_output() -> None:
    lines = [f"line {number}" for number in range(30)]
    watched = Watched(EXITED, written={LOG: lines})
    seen = watched.watch.end(run("CRASHED"), {"line 29"})
    assert seen is not None
    assert seen.log == LOG
    assert watched.said[1:] == [f"  | line {number}" for number in range(10, 29)]


def test_a_run_that_began_has_told_by_itself() -> None:
    watched = Watched(EXITED, written={LOG: ["line"]})
    seen = watched.watch.end(run("CRASHED", began=True), ())
    assert (seen and seen.log, watched.tasks.asked) == (LOG, ["describe", "log"])


def test_a_run_that_completed_is_asked_nothing_more() -> None:
    watched = Watched(task("RUNNING"))
    assert watched.watch.end(run("COMPLETED", began=True), ()) == task("RUNNING")
    assert watched.tasks.asked == ["describe"]


@pytest.mark.parametrize(("kind", "began"), [("PENDING", False), ("RUNNING", True)])
def test_a_task_of_which_prefect_does_not_hear_ends_the_following(kind: str, began: bool) -> None:
    watched = Watched(NOT_PULLED, written={LOG: ["line"]})
    with pytest.raises(FlowFailed) as failed:
        watched.look_for_ever(run(kind, began=began))
    assert UNHEARD_SECONDS < watched.clock.seconds < UNHEARD_SECONDS + 3 * RUNNING_SECONDS
    assert failed.value.message == (
        f"the task of run happy-cat stopped (TaskFailedToStart: {PULL}), but Prefect has not heard of it: "
        f"the run is still {kind.title()}"
    )
    assert failed.value.hint == (
        "is the ECS events queue set up (`prefect-aws ecs-worker deploy-events`), and does a worker run that reads it?"
    )
    assert failed.value.__notes__ == [
        f"task 7c98: STOPPED (TaskFailedToStart: {PULL})",
        "its output: CloudWatch Logs, eu-west-1, group /flows, stream etl/daily/prefect/7c98",
    ]


def test_a_run_that_is_to_run_again_waits_for_another_task() -> None:
    watched = Watched(EXITED)
    for _ in range(200):
        watched.look(run("SCHEDULED", began=True))
    watched.look(run("PENDING"))
    assert len(watched.said) == 1


class Runs:
    """A PrefectApi that knows one flow run."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)

    def request(self, method: str, path: str, body: Json = None) -> Json:
        if path == "/logs/filter":
            return []
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


def test_following_a_run_in_a_task_that_fails() -> None:
    tasks = FakeTasks({PLACE: [task("PENDING"), NOT_PULLED]}, {DEFINITION: LOG})
    said: list[str] = []
    api = Runs(run(), *[run() for _ in range(6)], run("CRASHED"))
    finished = follow(api, RUN, said.append, waiting=Waiting(Hand(), tasks))
    assert said == [
        "happy-cat: Pending",
        "  task 7c98: PENDING",
        f"  task 7c98: STOPPED (TaskFailedToStart: {PULL})",
        "happy-cat: Crashed",
    ]
    with pytest.raises(FlowFailed) as failed:
        result_of(RUN, finished, None)
    assert failed.value.message == "run happy-cat ended CRASHED: no"
    assert failed.value.__notes__ == [
        f"task 7c98: STOPPED (TaskFailedToStart: {PULL})",
        f"its output: {LOG}",
    ]


def test_following_a_run_elsewhere_knows_no_task() -> None:
    assert follow(Runs(run("COMPLETED")), RUN, lambda _: None, waiting=Waiting(Hand())) == Finished(
        "COMPLETED", "no", None
    )
