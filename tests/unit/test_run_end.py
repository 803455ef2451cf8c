"""How following a run ends: with the last lines of its log, which reach the server late, or by Ctrl-C."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.running.run import Triggered, Waiting, follow
from flowyard.running.run_log import LAST_LINE_POLL_SECONDS, LAST_LINE_SECONDS
from flowyard.values import Json

RUN = Triggered("7", "happy-cat", "daily", "r.example/etl@sha256:1", "http://p.example/runs/flow-run/7")
START, END = "2026-03-06T10:00:00Z", "2026-03-06T10:00:09Z"
LAST = "Finished in state Completed()"
EXITED = "Flow run infrastructure exited with non-zero status code 137."


class Hand:
    """A Timer on which waiting takes no time; it may be interrupted at a second."""

    def __init__(self, interrupted: float | None = None) -> None:
        self.seconds = 0.0
        self.interrupted = interrupted

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.interrupted is not None and self.seconds >= self.interrupted:
            raise KeyboardInterrupt


class Server:
    """A PrefectApi with one run; each line of its log is there from a second on."""

    def __init__(self, clock: Hand, kind: str, *lines: tuple[float, str], **more: Any) -> None:
        self.clock = clock
        self.lines = lines
        state = {"type": kind, "name": more.pop("name", kind.title()), "message": more.pop("message", "")}
        self.found = {
            "state": state,
            "start_time": START,
            "end_time": END,
            "infrastructure_pid": None,
            **more,
        }
        self.logger = "prefect.flow_runs"

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        if path != "/logs/filter":
            return self.found
        return [
            {"id": text, "level": 20, "message": text, "name": self.logger, "timestamp": END}
            for second, text in self.lines
            if second <= self.clock.seconds
        ]


def followed(clock: Hand, server: Server) -> list[str]:
    said: list[str] = []
    follow(server, RUN, said.append, waiting=Waiting(clock))
    return said


def test_the_last_lines_come_after_the_final_state() -> None:
    clock = Hand()
    said = followed(clock, Server(clock, "COMPLETED", (0, "worker"), (0.5, "Beginning"), (0.5, LAST)))
    assert said == ["  INFO worker", "happy-cat: Completed", "  INFO Beginning", f"  INFO {LAST}"]
    assert 0.5 <= clock.seconds < 0.5 + LAST_LINE_POLL_SECONDS


def test_batches_may_come_apart() -> None:
    clock = Hand()
    said = followed(clock, Server(clock, "COMPLETED", (0.2, "worker"), (1.9, LAST)))
    assert said[1:] == ["  INFO worker", f"  INFO {LAST}"]


def test_a_run_whose_log_is_there_is_not_waited_for() -> None:
    clock = Hand()
    followed(clock, Server(clock, "COMPLETED", (0, LAST)))
    assert clock.seconds == 0


@pytest.mark.parametrize("kind", ["COMPLETED", "FAILED"])
def test_a_last_line_that_never_comes_is_waited_for_a_while(kind: str) -> None:
    clock = Hand()
    assert followed(clock, Server(clock, kind)) == [f"happy-cat: {kind.title()}"]
    assert LAST_LINE_SECONDS <= clock.seconds < LAST_LINE_SECONDS + 2 * LAST_LINE_POLL_SECONDS


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("CRASHED", {"message": EXITED}),
        ("CRASHED", {"message": None}),
        ("CANCELLED", {}),
        ("FAILED", {"start_time": END}),  # never began: somebody set the state
    ],
)
def test_whom_no_engine_ends_is_not_waited_for(kind: str, more: dict[str, Any]) -> None:
    clock = Hand()
    assert followed(clock, Server(clock, kind, (0.5, "late"), **more)) == [f"happy-cat: {kind.title()}"]
    assert clock.seconds == 0


@pytest.mark.parametrize(
    ("kind", "last", "more"),
    [
        ("FAILED", "Finished in state Failed('no')", {}),
        (
            "FAILED",
            "Finished in state Failed('bad parameter')",
            {"start_time": END, "infrastructure_pid": "c"},
        ),
        ("COMPLETED", "Finished in state Skipped(type=COMPLETED)", {"name": "Skipped"}),
        (
            "CRASHED",
            "Finished in state Crashed('...')",
            {"message": "Execution was aborted by Python system exit call."},
        ),
    ],
)
def test_every_end_the_engine_tells(kind: str, last: str, more: dict[str, Any]) -> None:
    clock = Hand()
    assert followed(clock, Server(clock, kind, (0.5, last), **more))[1:] == [f"  INFO {last}"]
    assert clock.seconds < 1


def test_what_others_say_is_no_end() -> None:
    clock = Hand()
    server = Server(clock, "COMPLETED", (0, LAST))
    server.logger = "prefect.task_runs"
    followed(clock, server)
    assert clock.seconds >= LAST_LINE_SECONDS


def test_who_interrupts_is_told_that_the_run_goes_on() -> None:
    clock = Hand(interrupted=2)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        follow(Server(clock, "RUNNING"), RUN, said.append, waiting=Waiting(clock))
    assert said == [
        "happy-cat: Running",
        "run happy-cat goes on; it can be cancelled at http://p.example/runs/flow-run/7",
    ]


def test_a_run_that_ended_does_not_go_on() -> None:
    clock = Hand(interrupted=0.1)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        follow(Server(clock, "COMPLETED"), RUN, said.append, waiting=Waiting(clock))
    assert said == ["happy-cat: Completed"]
