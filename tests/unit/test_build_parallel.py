"""Outcomes keep the items' order, hold every error, and an interruption ends the rest."""

from __future__ import annotations

import threading

import pytest

from flowyard.building.parallel import Done, Failed, default_limit, run_parallel
from flowyard.errors import BuildFailed


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

    outcomes = run_parallel("abc", worker, limit=2)
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

    run_parallel(range(6), worker, limit=2)
    assert most == 2


def test_nothing_to_do_has_no_outcome() -> None:
    assert run_parallel((), str) == ()
    assert 1 <= default_limit() <= 4


def test_an_interruption_in_a_worker_is_no_outcome() -> None:
    def worker(item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parallel((1,), worker)
