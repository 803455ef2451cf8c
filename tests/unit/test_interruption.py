from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from flowyard.interruption import SIGNALS, Interruption, uninterrupted


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
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
