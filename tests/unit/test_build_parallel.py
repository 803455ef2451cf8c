"""Outcomes keep the items' order, hold every error, and an interruption ends the rest."""

from __future__ import annotations

import threading

import pytest

from flowyard.adapters.capacity import jobs_here
from flowyard.building.pace import Pace, limit_for
from flowyard.building.parallel import FAILED_BEFORE, Done, Failed, run_parallel
from flowyard.errors import BuildFailed, Unfinished


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
    assert 1 <= jobs_here() <= 4


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


def test_items_with_something_in_common_are_not_worked_on_at_once_and_those_behind_go_first() -> None:
    """`a1` waits until `b1` has run beside it; `a2` and `a3` would fit in between, and have to wait."""
    running: set[str] = set()
    begun: list[str] = []
    b1_is_done, lock = threading.Event(), threading.Lock()

    def worker(item: str) -> None:
        with lock:
            assert not {one for one in running if one[0] == item[0]}
            running.add(item)
            begun.append(item)
        if item == "a1":
            assert b1_is_done.wait(10)
        if item == "b1":
            b1_is_done.set()
        with lock:
            running.discard(item)

    outcomes = run_parallel(
        ("a1", "a2", "a3", "b1"), worker, Pace(2), apart=lambda item: frozenset({item[0]})
    )
    assert outcomes == tuple(Done(item, None) for item in ("a1", "a2", "a3", "b1"))
    assert begun == ["a1", "b1", "a2", "a3"]


def test_who_failed_is_followed_by_the_next_one_and_what_is_there_keeps_nobody_apart() -> None:
    """The first of three fails, the second makes what they share, and then the others run side by side."""
    there: set[str] = set()
    error, together = BuildFailed("a failed"), threading.Barrier(2, timeout=10)

    def worker(item: str) -> None:
        if item == "a":
            raise error
        if item == "b":
            there.add("layer")
        else:
            together.wait()

    outcomes = run_parallel("abcd", worker, Pace(4), apart=lambda _: frozenset({"layer"}) - there)
    assert outcomes == (Failed("a", error), Done("b", None), Done("c", None), Done("d", None))
