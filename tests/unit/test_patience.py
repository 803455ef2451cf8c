"""How long one request to a Prefect server is tried, on a clock that the test moves.

A server on SQLite that stands still for a minute, and then says that it did nothing, is no reason to give up.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowyard.adapters.prefect_http import Answer, Http, Patience, Request
from flowyard.values import PrefectAddress

PATIENCE = Patience(total=30.0, first_contact=30.0)
INCREMENT = Request("POST", "http://127.0.0.1:1/api/increment", "/increment", {}, b"{}")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def asked(answers: Sequence[tuple[float, int]]) -> tuple[int, int, float]:
    """The status in the end, the tries and the seconds; each answer takes some seconds and is a status."""
    clock, left, tries = Clock(), list(answers), [0]

    def once(_: Request) -> Answer:
        seconds, status = left.pop(0) if len(left) > 1 else left[0]
        clock.now += seconds
        tries[0] += 1
        return Answer(status, None, None, b"")

    answer = Http(PrefectAddress("http://127.0.0.1:1/api"), PATIENCE, clock, once).send(INCREMENT)
    return answer.status, tries[0], clock.now


def test_what_is_answered_at_once_is_asked_for_half_a_minute() -> None:
    status, tries, seconds = asked([(0.01, 503)])
    assert status == 503
    assert tries > 15
    assert 25 < seconds <= 30.1


def test_one_answer_that_took_a_minute_does_not_count() -> None:
    """Those before and after it were quick: several writers met."""
    quick = [(0.01, 503)] * 3
    status, tries, seconds = asked([*quick, (60.0, 503), *quick, (0.01, 200)])
    assert (status, tries) == (200, 8)
    assert 60 < seconds < 70


def test_the_second_one_that_took_a_minute_is_the_last() -> None:
    status, tries, seconds = asked([(60.0, 503)])
    assert (status, tries) == (503, 2)
    assert 120 < seconds < 121
