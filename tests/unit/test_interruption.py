from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from flowyard.interruption import SIGNALS, Interruption, is_interrupt, uninterrupted

INTERRUPT = partial(signal.raise_signal, signal.SIGTERM)  # without a frame of its own


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    hook = sys.unraisablehook
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_first_signal_interrupts_and_is_the_exit_code(number: str, code: int) -> None:
    ended: list[int] = []
    taken = Interruption(ended.append)
    taken.install()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.Signals[number])
    signal.raise_signal(signal.SIGTERM)  # changes nothing
    assert (taken.exit_code, ended) == (code, [])
    signal.raise_signal(signal.SIGINT)
    assert ended == [130]


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Interruption().install()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_signals_wait_for_the_end_of_the_block() -> None:
    taken, done = Interruption(), []
    taken.install()
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        done.append("the rest of the block")
    assert (done, taken.exit_code) == (["the rest of the block"], 143)


def test_a_third_signal_does_not_wait() -> None:
    Interruption().install()
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        for number in range(3):
            signal.raise_signal(signal.SIGINT)
            done.append(number)
    assert done == [0, 1]


def test_blocks_in_blocks_and_blocks_without_a_signal() -> None:
    Interruption().install()
    before = signal.getsignal(signal.SIGINT)
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append("outer")
    assert done == ["outer"]
    with uninterrupted():
        done.append("nothing came")
    assert signal.getsignal(signal.SIGINT) == before


def interrupted_in(file: str, source: str) -> list[str]:
    """What of a function in this file was done, that interrupts the program and then goes on; it is called again
    and again, for a second at most."""
    done: list[str] = []
    names: dict[str, Any] = {"done": done, "interrupt": INTERRUPT}
    exec(compile(source, file, "exec"), names)
    end = time.monotonic() + 1
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        names["inside"]()
        while time.monotonic() < end:
            done.append("outside")
    return sorted(set(done))


@pytest.mark.parametrize(
    ("file", "function"),
    [
        ("<frozen importlib._bootstrap>", "inside"),
        ("<frozen importlib._bootstrap_external>", "inside"),
        (threading.__file__, "__enter__"),
        (threading.__file__, "__exit__"),
    ],
)
def test_python_gives_its_own_locks_back_before_the_interrupt(file: str, function: str) -> None:
    taken = Interruption()
    taken.install()
    source = f"def {function}():\n  interrupt()\n  done.append('the lock')\ninside = {function}"
    assert interrupted_in(file, source) == ["outside", "the lock"]
    assert taken.exit_code == 143


def test_waiting_in_threading_is_interrupted_at_once() -> None:
    Interruption().install()
    source = "def wait():\n  interrupt()\n  done.append('waited')\ninside = wait"
    assert interrupted_in(threading.__file__, source) == []


def test_an_interrupt_that_python_drops_is_raised_again() -> None:
    taken = Interruption()
    taken.install()
    source = "class Last:\n  def __del__(self):\n    interrupt()\n    done.append('not')\ninside = Last"
    try:
        assert interrupted_in("somewhere.py", source) == ["outside"]
    finally:
        taken.remove()


def test_an_interrupt_while_a_class_is_made_is_one_whatever_python_makes_of_it() -> None:
    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            INTERRUPT()

    Interruption().install()
    with pytest.raises((KeyboardInterrupt, RuntimeError)) as caught:
        type("Owner", (), {"field": Field()})
    assert is_interrupt(caught.value)
    assert not is_interrupt(RuntimeError("another one"))


def test_other_exceptions_that_python_drops_are_told_as_before() -> None:
    told: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, told.append
    taken = Interruption()
    taken.install()

    class Last:
        def __del__(self) -> None:
            raise ValueError

    try:
        Last()
        assert [one.exc_type for one in told] == [ValueError]
        taken.remove()
        assert sys.unraisablehook == told.append
    finally:
        sys.unraisablehook = before


def test_an_interrupt_that_had_to_wait_waits_for_a_block_too() -> None:
    taken, done = Interruption(moment=0.5), []
    taken.install()
    names: dict[str, Any] = {"interrupt": INTERRUPT}
    exec(compile("def inside():\n  interrupt()\n", "<frozen importlib._bootstrap>", "exec"), names)
    names["inside"]()
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            pass
        done.append("the rest of the block")
    assert done == ["the rest of the block"]


def test_a_signal_of_an_import_in_a_block_counts_at_its_end() -> None:
    Interruption().install()
    names: dict[str, Any] = {"interrupt": INTERRUPT}
    exec(compile("def inside():\n  interrupt()\n", "<frozen importlib._bootstrap>", "exec"), names)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        names["inside"]()


def test_an_interrupt_that_still_waits_at_the_end_ends_nothing() -> None:
    taken = Interruption(moment=60.0)
    taken.install()
    names: dict[str, Any] = {"interrupt": INTERRUPT}
    exec(compile("def inside():\n  interrupt()\n", "<frozen importlib._bootstrap>", "exec"), names)
    names["inside"]()
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    taken.remove()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
