"""The calls of this process that have been begun and have not ended, and what others may do to them."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from flowyard.runtime.tasks.errors import ChildCancelled

One = TypeVar("One")
Work = Callable[["Handle"], Any]
Stop = Callable[[str, str], None]  # of a run, and why
Left = Callable[[], None]  # what is left to do, and may take a while
STOPPING = 10.0  # seconds in which all runs have to be cancelled; the called side sees by itself that its caller ends
_AT_ONCE = 10  # runs that are cancelled at once


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
            try:
                self._leave(error)
            finally:
                self.future.set_exception(error)

    def _leave(self, error: BaseException) -> None:
        """Nobody waits any more after Ctrl-C, or when the time of the Prefect task that called is over."""
        if not isinstance(error, Exception):
            with suppress(Exception):
                self.cancel(f"Its call was left: {type(error).__name__}.")

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
        self.refuse(why)()

    def refuse(self, why: str) -> Left:
        """No run is begun for the call from now on. What is left to do is to have the one cancelled that it has."""
        with self._lock:
            self.why = self.why or why
            run, stop, taken = self.run, self._stop, self._taken
            if not taken and not self.future.done():
                text = f"Docker task {self.task!r} was cancelled before it was begun: {why}"
                self.future.set_exception(ChildCancelled(text, task=self.task))
        return partial(stop, run, why) if stop is not None else _nothing

    def let_go(self) -> None:
        """Whoever waits for the run's end waits no longer."""
        with suppress(InvalidStateError):
            self.given_up.set_result(None)


def work_off(waiting: deque[One], do: Callable[[One], None]) -> None:
    """Take one after the other and do it, until none is left: other threads may take from the same."""
    while True:
        try:
            one = waiting.popleft()
        except IndexError:
            return
        do(one)
        del one  # what came of it is its caller's alone


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

    def end_all(self, why: str, seconds: float = STOPPING) -> None:
        """Let go of whoever waits for a run, and have the run of every call cancelled, in no more than so long."""
        with self._lock:
            self._ended = why
            handles = list(self._handles)
        left = [handle.refuse(why) for handle in handles]
        for handle in handles:
            handle.let_go()
        _do_all(left, seconds)

    def _leave(self, handle: Handle) -> None:
        with self._lock:
            self._handles.discard(handle)


def _nothing() -> None:
    return


def _do_all(works: Iterable[Left], seconds: float) -> None:
    """Do all of them, some at once, and go on when that takes longer."""
    until = time.monotonic() + seconds
    waiting = deque((contextvars.copy_context(), work) for work in works if work is not _nothing)
    threads = []
    for _ in range(min(_AT_ONCE, len(waiting))):
        thread = threading.Thread(target=work_off, args=(waiting, _do), name="flowyard-stop", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread can be had, such as from an interpreter that ends
            break
        threads.append(thread)
    if not threads:
        work_off(waiting, _do)
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _do(left: tuple[contextvars.Context, Left]) -> None:
    context, work = left
    with suppress(Exception):  # each of them, whatever the server says to another
        context.run(work)
