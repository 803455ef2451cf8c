"""The calls of this process that have been begun and have not ended, and what others may do to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from flowyard.runtime.tasks.errors import ChildCancelled

Work = Callable[["Handle"], Any]
Stop = Callable[[str, str], None]  # of a run, and why


class Handle:
    """One call. What comes of it is in `future`, also when it is cancelled before anything was begun."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # whoever stops waiting does not end it
        self.given_up: Future[None] = Future()  # done when whoever called ends
        self.run = ""
        self.why = ""
        self._lock = threading.Lock()
        self._taken = False
        self._stop: Stop | None = None

    def perform(self, work: Work) -> None:
        """Do the work in this thread, unless the call was cancelled before."""
        with self._lock:
            if self.why:
                return
            self._taken = True
        try:
            self.future.set_result(work(self))
        except BaseException as error:
            self.future.set_exception(error)

    def check(self) -> None:
        """Raises ChildCancelled when the call was cancelled: no run is to be made for it."""
        if self.why:
            raise ChildCancelled(f"Docker task {self.task!r} was cancelled: {self.why}", task=self.task)

    def began(self, run: str, stop: Stop) -> None:
        """The call's run is there; it is stopped when somebody asked for that before."""
        with self._lock:
            self.run, self._stop = run, stop
            why = self.why
        if why:
            stop(run, why)

    def cancel(self, why: str) -> None:
        """Have the run cancelled; the call ends when it has ended, and at once when there is none to come."""
        with self._lock:
            self.why = self.why or why
            run, stop, taken = self.run, self._stop, self._taken
            if not taken and not self.future.done():
                text = f"Docker task {self.task!r} was cancelled before it was begun: {why}"
                self.future.set_exception(ChildCancelled(text, task=self.task))
        if stop is not None:
            stop(run, why)


class OpenCalls:
    """The calls that have been begun and have not ended. Once they are ended, no other is begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: set[Handle] = set()
        self._ended = ""

    def anew(self) -> None:
        """The flow begins, once more: calls may be begun."""
        with self._lock:
            self._ended = ""

    def begin(self, task: str) -> Handle:
        """A call, which is open from now on, before any thread takes it."""
        handle = Handle(task)
        with self._lock:
            self._handles.add(handle)
            ended = self._ended
        handle.future.add_done_callback(lambda _: self._leave(handle))
        if ended:
            handle.cancel(ended)
        return handle

    def is_any_open(self) -> bool:
        """Whether a call has not ended."""
        with self._lock:
            return bool(self._handles)

    def end_all(self, why: str) -> None:
        """Cancel the run of every call, and let go of whoever waits for one."""
        with self._lock:
            self._ended = why
            handles = list(self._handles)
        for handle in handles:
            with suppress(Exception):  # each of them, whatever the server says to another
                handle.cancel(why)
        for handle in handles:
            if not handle.given_up.done():
                handle.given_up.set_result(None)

    def _leave(self, handle: Handle) -> None:
        with self._lock:
            self._handles.discard(handle)
