"""The ECS task that a run runs in, watched while the run is followed.

Prefect learns of a task only from events that a queue hands to a worker; what ECS itself says of it is what tells
a slow start from one that never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from flowyard.errors import AwsError, FlowFailed
from flowyard.ports import Timer
from flowyard.values import Json

STARTING_SECONDS = 2.0  # between two questions as long as the run has not begun
RUNNING_SECONDS = 15.0
UNHEARD_SECONDS = 45.0  # an event takes seconds; a worker that is started anew hears of it within this time
LAST_LINES = 20
_DEPLOY_EVENTS = "prefect-aws ecs-worker deploy-events"


@dataclass(frozen=True, slots=True)
class TaskContainer:
    """A container of a task. `exit_code` is None as long as it has none, and where it never ran."""

    name: str
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The stream in CloudWatch Logs that the containers' output goes to."""

    group: str
    stream: str
    region: str

    def __str__(self) -> str:
        return f"CloudWatch Logs, {self.region}, group {self.group}, stream {self.stream}"


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as ECS describes it. `moments` are seconds since the epoch by the names that the API has for them;
    `log` is where its output goes, as far as anybody asked."""

    arn: str
    definition: str
    status: str
    stop_code: str = ""
    reason: str = ""
    containers: tuple[TaskContainer, ...] = ()
    moments: Mapping[str, float] = field(default_factory=dict)
    log: LogPlace | None = None

    @property
    def id(self) -> str:
        """The last part of its ARN, which is enough to find it."""
        return self.arn.rpartition("/")[2]


class Tasks(Protocol):
    """Where tasks run."""

    def describe(self, place: str) -> TaskState | None:
        """The task at the place that Prefect notes of a run, None when ECS knows none. Raises AwsError."""
        ...

    def log(self, task: TaskState) -> LogPlace | None:
        """Where its output goes, None when nowhere that can be read. Raises AwsError."""
        ...

    def lines(self, place: LogPlace, most: int) -> tuple[str, ...]:
        """The last lines there, none when nothing was written. Raises AwsError."""
        ...


def task_text(task: TaskState) -> str:
    """Its state and, once it stopped, why: one line."""
    text = f"task {task.id}: {task.status}"
    return f"{text} ({', '.join(whys)})" if (whys := _whys(task)) else text


def _whys(task: TaskState) -> list[str]:
    if task.status != "STOPPED":
        return []
    stopped = ": ".join(part for part in (task.stop_code, task.reason) if part)
    whys = [stopped] if stopped else []
    for container in task.containers:
        parts = [] if container.exit_code is None else [f"exit code {container.exit_code}"]
        parts += [container.reason] if container.reason else []
        whys += [f"container {container.name}: {', '.join(parts)}"] if parts else []
    return whys


class TaskWatch:
    """Says what becomes of a run's task. What AWS refuses to tell is said once, and the run is followed without."""

    def __init__(self, tasks: Tasks, say: Callable[[str], None], clock: Timer) -> None:
        self._task: TaskState | None = None
        self._tasks = tasks
        self._say = say
        self._clock = clock
        self._next = 0.0
        self._stopped: float | None = None
        self._refused = False

    def look(self, run: Mapping[str, Json]) -> None:
        """Look at the task of a run in this state, if it is time to.

        Raises FlowFailed when it stopped a while ago and the run still waits for it.
        """
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + (RUNNING_SECONDS if began(run) else STARTING_SECONDS)
        self._see(run)
        waits = run["state"]["type"] in ("PENDING", "RUNNING", "CANCELLING")
        if self._task is None or self._task.status != "STOPPED" or not waits:
            self._stopped = None
            return
        self._stopped = now if self._stopped is None else self._stopped
        if now - self._stopped > UNHEARD_SECONDS:
            self._read_log(run, ())
            raise noted(_unheard(run, self._task), self._task)

    def end(self, run: Mapping[str, Json], said: Collection[str]) -> TaskState | None:
        """Look for the last time, and return what was seen.

        The task of a run that never began had no other way to speak than its output: the last lines of that are
        said, but for those that `said` has.
        """
        self._see(run)
        if run["state"]["type"] != "COMPLETED":
            self._read_log(run, said)
        return self._task

    def _see(self, run: Mapping[str, Json]) -> None:
        place = run.get("infrastructure_pid")
        if not place or self._refused:
            return
        try:
            found = self._tasks.describe(str(place))
        except AwsError as error:
            self._give_up(error)
            return
        if found is not None and (self._task is None or _shown(found) != _shown(self._task)):
            self._say(f"  {task_text(found)}")
        self._task = found or self._task

    def _read_log(self, run: Mapping[str, Json], said: Collection[str]) -> None:
        if self._task is None or self._refused:
            return
        try:
            log = self._tasks.log(self._task)
            self._task = replace(self._task, log=log)
            lines = () if log is None or began(run) else self._tasks.lines(log, LAST_LINES)
        except AwsError as error:
            self._give_up(error)
            return
        for line in lines:
            if line not in said:
                self._say(f"  | {line}")

    def _give_up(self, error: AwsError) -> None:
        self._refused = True
        self._say(f"  the task cannot be watched: {error.message}")
        if error.hint:
            self._say(f"    hint: {error.hint}")


def noted(error: FlowFailed, task: TaskState | None) -> FlowFailed:
    """The error, with what is known of the run's task as notes."""
    if task is not None:
        error.add_note(task_text(task))
        if task.log is not None:
            error.add_note(f"its output: {task.log}")
    return error


def _shown(task: TaskState) -> tuple[str, str]:
    return task.arn, task.status


def began(run: Mapping[str, Json]) -> bool:
    """Whether its flow ran. To one that ends without, Prefect gives a start all the same, the moment of its end."""
    start = run.get("start_time")
    return bool(start) and start != run.get("end_time")


def _unheard(run: Mapping[str, Json], task: TaskState) -> FlowFailed:
    state = run["state"]["name"]
    why = "; ".join(_whys(task)) or "for a reason that ECS does not say"
    return FlowFailed(
        f"the task of run {run['name']} stopped ({why}), but Prefect has not heard of it: the run is still {state}",
        hint=f"is the ECS events queue set up (`{_DEPLOY_EVENTS}`), and does a worker run that reads it?",
    )
