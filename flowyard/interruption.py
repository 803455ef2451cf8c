"""What Ctrl-C, SIGTERM and SIGHUP do to the program, and the few places where they have to wait.

A cancelled CI job sends SIGINT, seconds later SIGTERM, then SIGKILL; a wrapper may pass Ctrl-C on a second
time. So the first signal ends the work in order, a second one changes nothing, and a third one ends at once.

Python runs a handler between any two of its instructions, also between taking one of its own locks and the block
that gives it back: an import that is interrupted there keeps every other thread from importing, for ever. There,
the interrupt is raised a moment later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowyard.outcome import Outcome

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = signal.SIGALRM  # of our own timer: the interrupt had to wait
_MOMENT = 0.002  # seconds
_IMPORTS = "<frozen importlib."  # how the files of Python's import system are called
_LOCKING = frozenset({"__enter__", "__exit__"})  # of threading
Handler = Callable[[int, FrameType | None], object] | int | None
ENOUGH = 3  # signals until the program ends whatever it is doing
_INSIST = b"still ending what runs; the next signal ends this program at once\n"


class ShipInterrupted(KeyboardInterrupt):
    """A ship that was interrupted. `outcomes` say what was done and what was not."""

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__()
        self.outcomes = outcomes


class Interruption:
    """Turns the first of the signals into a KeyboardInterrupt and remembers which one it was.

    `end` ends the process at once with an exit code; `moment` is how long an interrupt waits, in seconds.
    """

    def __init__(self, end: Callable[[int], object] = os._exit, moment: float = _MOMENT) -> None:
        self._end = end
        self._moment = moment
        self._seen = 0
        self._number = int(signal.SIGINT)
        self._before: dict[signal.Signals, Handler] = {}
        self._unraisable = sys.unraisablehook

    @property
    def exit_code(self) -> int:
        """As shells have it: 128 and the number of the first signal."""
        return 128 + self._number

    def install(self) -> None:
        """Take the signals, but those that whoever started the program had ignored, as nohup does."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self.take)
        self._before[_AGAIN] = signal.signal(_AGAIN, self._interrupt)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost

    def remove(self) -> None:
        """Leave the signals to whoever had them before. An interrupt that still had to wait came too late."""
        signal.setitimer(signal.ITIMER_REAL, 0)  # nobody else takes it, and it would end the process
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        sys.unraisablehook = self._unraisable

    def take(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self._seen += 1
        if self._seen == 1:
            self._number = number
            self._interrupt(number, frame)
            return
        if self._seen >= ENOUGH:
            self._end(128 + number)
        os.write(2, _INSIST)  # not print: the signal may have come in the middle of one

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if _holds_a_lock(frame):
            signal.setitimer(signal.ITIMER_REAL, self._moment)
            return
        raise KeyboardInterrupt

    def _lost(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Python tells of an exception that it dropped, as it does of one that an object's last code raised."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, self._moment)
        else:
            self._unraisable(unraisable)


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is an interrupt or was made of one: until 3.12, Python tells what a `__set_name__` raises as a
    RuntimeError, also when it is an interrupt that came while a class was made."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__
    return False


def _holds_a_lock(frame: FrameType | None) -> bool:
    """Whether what was interrupted may have just taken a lock that nobody would give back."""
    if frame is None:
        return False
    code = frame.f_code
    if code.co_filename.startswith(_IMPORTS):
        return True
    return code.co_filename == threading.__file__ and code.co_name in _LOCKING


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that come during the block count at its end; a third one counts at once.

    For a few requests that belong together, such as taking a lease and knowing its id. Signals that nobody
    handles, and threads other than the main one (no signal is handled there), are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in (*SIGNALS, _AGAIN)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        if len(noted) >= ENOUGH:
            handlers[signal.Signals(number)](number, frame)

    try:
        for number in handlers:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if 0 < len(noted) < ENOUGH:
            handlers[signal.Signals(noted[0])](noted[0], None)
