"""What Ctrl-C, SIGTERM and SIGHUP do to the program, and the few places where they have to wait.

A cancelled CI job sends SIGINT, seconds later SIGTERM, then SIGKILL; a wrapper may pass Ctrl-C on a second
time. So the first signal ends the work in order, a second one changes nothing, and a third one ends at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowyard.outcome import Outcome

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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

    `end` ends the process at once with an exit code.
    """

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._seen = 0
        self._number = int(signal.SIGINT)
        self._before: dict[signal.Signals, Handler] = {}

    @property
    def exit_code(self) -> int:
        """As shells have it: 128 and the number of the first signal."""
        return 128 + self._number

    def install(self) -> None:
        """Take the signals, but those that whoever started the program had ignored, as nohup does."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self.take)

    def remove(self) -> None:
        """Leave the signals to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def take(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self._seen += 1
        if self._seen == 1:
            self._number = number
            raise KeyboardInterrupt
        if self._seen >= ENOUGH:
            self._end(128 + number)
        os.write(2, _INSIST)  # not print: the signal may have come in the middle of one


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that come during the block count at its end; a third one counts at once.

    For a few requests that belong together, such as taking a lease and knowing its id. Signals that nobody
    handles, and threads other than the main one (no signal is handled there), are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    noted: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append((number, frame))
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
            first, frame = noted[0]
            handlers[signal.Signals(first)](first, frame)
