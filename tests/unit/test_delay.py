"""Where a run's delay went: what is read off states, log lines and events, and the phases between."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.errors import NotFound
from flowyard.running.delay import Delay, Phase, delay, delay_text, measure, moments
from flowyard.values import Json

FULL = {
    "triggered": 100.0,
    "free": 100.0,
    "taken": 100.4,
    "submitted": 100.5,
    "created": 100.6,
    "container": 100.8,
    "importing": 102.8,
    "imported": 102.9,
    "running": 103.0,
    "first line": 103.1,
}


def at(second: float) -> str:
    return f"2026-03-06T10:00:{second:09.6f}Z"


def moment(second: float) -> float:
    return 1772791200.0 + second


def state(kind: str, second: float, scheduled: float | None = None) -> dict[str, Any]:
    details = {} if scheduled is None else {"scheduled_time": at(scheduled)}
    return {"type": kind, "timestamp": at(second), "state_details": details}


def log(name: str, second: float) -> dict[str, Any]:
    return {"name": name, "timestamp": at(second)}


def event(name: str, second: float) -> dict[str, Any]:
    return {"event": name, "occurred": at(second)}


STATES = [
    state("SCHEDULED", 1, 1),
    state("PENDING", 1.5),
    state("PENDING", 1.75),
    state("RUNNING", 5),
    state("COMPLETED", 9),
]
LOGS = [
    log("prefect.flow_runs.worker", 1.5),
    log("flowyard.start.container", 2.25),
    log("prefect.flow_runs", 3),
    log("flowyard.start.importing", 4),
    log("flowyard.start.imported", 4.25),
    log("prefect.flow_runs", 5.25),
    log("prefect.flow_runs", 8),
    log("flowyard.start.importing", 9),  # for a hook
]
EVENTS = [
    event("prefect.flow-run.Running", 5),
    event("prefect.docker.container.created", 2),
    event("prefect.worker.submitted-flow-run", 1.625),
]


def test_every_phase_of_a_run() -> None:
    assert delay(FULL) == Delay(
        3.1,
        3.0,
        (
            Phase("queue", 0.0),
            Phase("worker poll", 0.4),
            Phase("submission", 0.1),
            Phase("pull", 0.1),
            Phase("container start", 0.2),
            Phase("Prefect's start", 2.0),
            Phase("imports", 0.1),
            Phase("engine", 0.2),
        ),
    )


def test_a_run_in_a_task_has_the_phases_of_ecs() -> None:
    task = {"createdAt": 100.7, "pullStartedAt": 101.0, "pullStoppedAt": 101.5, "startedAt": 101.75}
    found = delay({**FULL, "container": 102.0, **task, "stoppedAt": 110.0})
    assert found is not None
    assert [(phase.name, phase.seconds) for phase in found.phases] == [
        ("queue", 0.0),
        ("worker poll", 0.4),
        ("submission", 0.3),
        ("provisioning", 0.3),
        ("pull", 0.5),
        ("container start", 0.5),
        ("Prefect's start", 0.8),
        ("imports", 0.1),
        ("engine", 0.2),
    ]


def test_what_nobody_noted_is_joined_with_what_follows() -> None:
    known = {name: FULL[name] for name in ("triggered", "free", "taken", "running")}
    assert delay(known) == Delay(
        3.0,
        3.0,
        (
            Phase("queue", 0.0),
            Phase("worker poll", 0.4),
            Phase("submission, pull, container start, Prefect's start, imports, engine", 2.6),
        ),
    )


def test_a_clock_that_is_behind_or_ahead_takes_nothing_from_other_phases() -> None:
    skewed = {**FULL, "container": 99.0, "importing": 200.0}
    found = delay(skewed)
    assert found is not None
    assert (found.seconds, [phase.seconds for phase in found.phases]) == (
        3.1,
        [0.0, 0.4, 0.1, 0.1, 0.0, 2.5, 0.0, 0.0],
    )


@pytest.mark.parametrize("missing", ["triggered", "running"])
def test_a_run_that_never_ran_has_no_delay(missing: str) -> None:
    assert delay({name: at for name, at in FULL.items() if name != missing}) is None


def test_moments_are_read_off_states_lines_and_events() -> None:
    assert moments(reversed(STATES), reversed(LOGS), EVENTS) == {
        "triggered": moment(1),
        "free": moment(1),
        "taken": moment(1.5),
        "submitted": moment(1.625),
        "created": moment(2),
        "container": moment(2.25),
        "importing": moment(4),
        "imported": moment(4.25),
        "running": moment(5),
        "first line": moment(5.25),
    }


def test_a_run_that_was_put_back_or_comes_later_waited_in_the_queue() -> None:
    back = [state("SCHEDULED", 1, 1), state("PENDING", 2), state("SCHEDULED", 2.5, 20), state("PENDING", 21)]
    found = moments([*back, state("RUNNING", 22)], [], [])
    assert found == {
        "triggered": moment(1),
        "free": moment(20),
        "taken": moment(21),
        "running": moment(22),
    }


def test_a_retry_is_not_another_start() -> None:
    again = [state("RUNNING", 5), state("SCHEDULED", 6, 7), state("RUNNING", 8)]
    found = moments([*STATES[:3], *again], [], [])
    assert found == {"triggered": moment(1), "free": moment(1), "taken": moment(1.5), "running": moment(5)}


def test_one_line_for_a_person() -> None:
    found = Delay(3.1, 3.0, (Phase("queue", 0.0), Phase("worker poll, submission", 3.1)))
    assert delay_text(found) == (
        "from trigger to the first line of the flow: 3.10 s (queue 0.00, worker poll, submission 3.10)"
    )


class Server:
    """A PrefectApi with one run; `limit` is its work pool's, `ended` when another run ended."""

    def __init__(self, taken: float, limit: int | None, ended: float | None, events: bool = True) -> None:
        self.taken, self.limit, self.ended, self.events = taken, limit, ended, events
        self.asked: list[tuple[str, Json]] = []

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        self.asked.append((f"{method} {path}", body))
        if path == "/events/filter" and not self.events:
            raise NotFound("there are none", status=404)
        ended = [] if self.ended is None else [{"end_time": at(self.ended)}]
        return {
            "/flow_run_states/?flow_run_id=7": [
                state("SCHEDULED", 1, 1),
                state("PENDING", self.taken),
                state("RUNNING", self.taken + 1),
            ],
            "/logs/filter": [],
            "/events/filter": {"events": []},
            "/flow_runs/7": {"work_pool_name": "a pool", "work_queue_name": "default"},
            "/work_pools/a%20pool": {"concurrency_limit": self.limit},
            "/work_pools/a%20pool/queues/default": {"concurrency_limit": None},
            "/flow_runs/filter": ended,
        }[path]


@pytest.mark.parametrize(
    ("server", "queue", "poll"),
    [
        (Server(2, 1, 1.5), 0.0, 1.0),  # taken at once: nobody asks further
        (Server(9, None, 8), 0.0, 8.0),  # no limit
        (Server(9, 1, 8), 7.0, 1.0),
        (Server(9, 1, None), 0.0, 8.0),  # no slot became free: it was the worker
        (Server(9, 1, 8, events=False), 7.0, 1.0),
    ],
)
def test_who_waited_for_a_slot_waited_in_the_queue(server: Server, queue: float, poll: float) -> None:
    found = measure(server, "7")
    assert found is not None
    assert [(phase.name, phase.seconds) for phase in found.phases[:2]] == [
        ("queue", queue),
        ("worker poll", poll),
    ]


def test_slots_are_asked_for_between_trigger_and_start() -> None:
    server = Server(9, 1, 8)
    measure(server, "7")
    assert server.asked[-1] == (
        "POST /flow_runs/filter",
        {
            "flow_runs": {
                "end_time": {
                    "after_": "2026-03-06T10:00:01+00:00",
                    "before_": "2026-03-06T10:00:09+00:00",
                }
            },
            "work_pools": {"name": {"any_": ["a pool"]}},
            "sort": "END_TIME_DESC",
            "limit": 1,
        },
    )
