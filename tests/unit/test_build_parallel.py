"""Outcomes keep the items' order, hold every error, and an interruption ends the rest."""

from __future__ import annotations

import threading

import pytest

from flowyard.building.parallel import FAILED_BEFORE, Done, Failed, default_limit, limit_for, run_parallel
from flowyard.errors import BuildFailed, Unfinished
from flowyard.pace import Pace


def test_outcomes_keep_the_order_and_one_failure_hides_no_other() -> None:
    first_may_end = threading.Event()
    error = BuildFailed("b failed")

    def worker(item: str) -> str:
        if item == "a":
            assert first_may_end.wait(10)
        if item == "b":
            raise error
        if item == "c":
            first_may_end.set()
        return item.upper()

    outcomes = run_parallel("abc", worker, Pace(2))
    assert outcomes == (Done("a", "A"), Failed("b", error), Done("c", "C"))


def test_no_more_than_the_limit_run_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    running, most, lock = 0, 0, threading.Lock()

    def worker(item: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()  # passes only when two run at the same time
        with lock:
            running -= 1

    run_parallel(range(6), worker, Pace(2))
    assert most == 2


def test_nothing_to_do_has_no_outcome() -> None:
    assert run_parallel((), str) == ()
    assert 1 <= default_limit() <= 4


@pytest.mark.parametrize(
    ("cores", "gibibytes", "limit"),
    [(1, 64, 1), (2, 64, 2), (16, 64, 4), (16, 2.5, 2), (16, 0.5, 1), (2, None, 2), (16, None, 4)],
)
def test_as_many_at_once_as_cores_and_memory_allow(cores: int, gibibytes: float | None, limit: int) -> None:
    assert limit_for(cores, None if gibibytes is None else int(gibibytes * 2**30)) == limit


def test_an_interruption_in_a_worker_is_no_outcome() -> None:
    def worker(item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parallel((1,), worker)


def test_after_a_failure_that_is_to_end_the_rest_nothing_begins_and_what_runs_is_ended() -> None:
    error, running, stopped = BuildFailed("b failed"), threading.Event(), threading.Event()
    begun: list[str] = []

    def worker(item: str) -> str:
        begun.append(item)
        if item == "a":
            running.set()
            assert stopped.wait(10)
            raise Unfinished("the build was stopped")
        assert running.wait(10)
        raise error

    a, b, *rest = run_parallel("abcdefgh", worker, Pace(2, fail_fast=True), stopped.set)
    assert (isinstance(a, Failed), b, begun) == (True, Failed("b", error), ["a", "b"])
    assert {str(one.error) for one in rest if isinstance(one, Failed)} == {FAILED_BEFORE}
    assert {type(one.error) for one in rest if isinstance(one, Failed)} == {Unfinished}


def test_without_a_failure_failing_fast_changes_nothing() -> None:
    assert run_parallel("ab", str.upper, Pace(2, fail_fast=True)) == (Done("a", "A"), Done("b", "B"))
