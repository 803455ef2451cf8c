"""A called run's log is repeated whole: its last lines reach the server after its end."""

from __future__ import annotations

from typing import Any

from flowyard.runtime.tasks.logs import whole_log


def lines(*messages: str) -> list[dict[str, Any]]:
    return [{"level": 20, "message": message} for message in messages]


def test_the_last_line_is_waited_for() -> None:
    said = [
        lines("Worker submitting"),
        lines("Worker submitting", "at work", "Finished in state Completed()"),
    ]
    paused: list[float] = []
    assert whole_log(lambda: said[min(len(paused), 1)], paused.append) == said[1]
    assert len(paused) == 1


def test_a_killed_run_has_no_last_line() -> None:
    paused: list[float] = []
    assert whole_log(lambda: lines("at work"), paused.append) == lines("at work")
    assert 0 < sum(paused) < 10
