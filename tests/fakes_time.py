"""A clock that tests move by hand: nothing of what is tested with it waits for real."""

from __future__ import annotations

import threading

from flowyard.releasing.holder import Moment

_LOOK_AGAIN = 0.005  # real seconds: threads in the background wait for the test, not for time


class FakeClock:
    """A Clock. Whoever waits in the main thread moves it on; other threads wait until somebody does."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> Moment:
        """As Clock.now."""
        return self.seconds, self.seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """As Clock.wait."""
        if threading.current_thread() is threading.main_thread():
            self.seconds += 0.0 if event.is_set() else seconds
            return event.is_set()
        until = self.seconds + seconds
        while self.seconds < until:
            if event.wait(_LOOK_AGAIN):
                return True
        return event.is_set()
