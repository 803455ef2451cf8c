"""A clock that tests move by hand: nothing of what is tested with it waits for real."""

from __future__ import annotations

import threading

from flowyard.releasing.holder import Moment

_LOOK_AGAIN = 0.05  # real seconds, for a thread that was not yet waiting when the clock was moved


class FakeClock:
    """A Clock. Whoever waits in the main thread moves it on; other threads wait until somebody does."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._waiting: dict[threading.Event, float] = {}
        self._ticking = threading.Lock()  # nobody takes the moment between set and clear for the end

    @property
    def seconds(self) -> float:
        """What it shows. Tests set it, in the main thread."""
        return self._seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        with self._ticking:
            self._seconds = value
            for event, until in self._waiting.items():
                if until <= value and not event.is_set():
                    event.set()  # wakes who waits for it, as time does
                    event.clear()

    def now(self) -> Moment:
        """As Clock.now."""
        return self.seconds, self.seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """As Clock.wait."""
        if threading.current_thread() is threading.main_thread():
            self.seconds += 0.0 if event.is_set() else seconds
            return event.is_set()
        with self._ticking:
            self._waiting[event] = until = self.seconds + seconds
        while self.seconds < until and not event.is_set():
            event.wait(_LOOK_AGAIN)
        with self._ticking:
            del self._waiting[event]
            return event.is_set()
