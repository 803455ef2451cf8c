"""One call, from its arguments to its value: prepared where it is made, performed in any thread."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet  # its own class before Python 3.11
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks import errors
from flowyard.runtime.tasks.callers import Caller, caller
from flowyard.runtime.tasks.handles import Handle
from flowyard.runtime.tasks.identity import idempotency_key
from flowyard.runtime.tasks.outcome import Ended, value_of
from flowyard.runtime.tasks.runs import Begun, NotStarted, Pinned, Place, Request, Runs
from flowyard.runtime.tasks.settings import number
from flowyard.runtime.tasks.trees import NotSerialisable
from flowyard.runtime.tasks.values import INLINE, Values, fingerprint, is_reference, size_of, values_of

START_ENV = "FLOWYARD_DOCKER_TASKS_START"
START = 600.0  # seconds in which some run of the process has to be executed
# What `retries` is for, with exceptions.
_AGAIN = (errors.ChildFailed, errors.ChildCrashed, errors.ResultLost)


@dataclass(frozen=True)
class Options:
    """How a Docker task is called; see DockerTask.with_options."""

    deployment: str | None = None
    timeout: float | None = None
    start_timeout: float | None = None
    retries: int = 0
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    name: str | None = None
    pickle: bool = False
    logs: bool = False


@dataclass(frozen=True)
class Prepared:
    """A call whose arguments are stored and checked."""

    options: Options
    place: Place
    pinned: Pinned
    arguments: Mapping[str, Any]
    storage: Storage
    caller: Caller | None
    number: int
    content: str
    name: str
    patience: float  # seconds in which some run of the caller has to be executed

    @property
    def task(self) -> str:
        """The called flow's name."""
        return self.pinned.pin.task

    def request(self, generation: int) -> Request:
        """The flow run to make, or to take up, in this generation."""
        key = None
        if self.caller is not None:
            key = idempotency_key(self.caller.root, self.content, self.number, generation)
        later = f"-{generation + 1}" if generation else ""
        return Request(
            self.pinned,
            self.arguments,
            key,
            f"{self.name}{later}",
            self.options.tags,
            self.options.job_variables,
            self.options.pickle,
        )


@dataclass(frozen=True)
class Arguments:
    """As a function is called with them."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def prepare(place: Place, task: str, options: Options, given: Arguments) -> Prepared:
    """Bind, store and check the arguments of a call. Raises DockerTaskError."""
    patience = options.start_timeout
    if patience is None:
        patience = number(os.environ, START_ENV, START)
    pinned = place.catalogue.pinned(task, options.deployment)
    storage = place.open_storage()
    values = values_of(storage, os.environ)
    arguments: dict[str, Any] = {}
    room = INLINE
    for name, value in pinned.bind(given.args, given.kwargs).items():
        arguments[name] = _argument(values, (task, name), value, room, pickle=options.pickle)
        room -= 0 if is_reference(arguments[name]) else size_of(arguments[name])
    pinned.check(arguments)
    content = fingerprint({"pin": pinned.pin.id, "variables": options.job_variables, "arguments": arguments})
    who = caller()
    nth = who.ledger.number(content, who.site) if who else 0
    name = options.name or (f"{who.name}-{who.ledger.name(task)}" if who else task)
    return Prepared(options, place, pinned, arguments, storage, who, nth, content, name, patience)


def _argument(values: Values, where: tuple[str, str], value: Any, room: int, *, pickle: bool) -> Any:
    task, name = where
    try:
        return values.argument(value, f"argument {name!r}", room, pickle=pickle)
    except NotSerialisable as error:
        raise errors.ArgumentNotSerialisable(f"{task}(): {error}", task=task, argument=name) from error
    except OSError as error:
        raise errors.StorageFailed(
            f"{task}(): argument {name!r} cannot be stored: {error}", task=task
        ) from error


def perform(call: Prepared, handle: Handle) -> Any:
    """Run the call to its end: its value. Raises the called flow's exception, or DockerTaskError."""
    deadline = None if call.options.timeout is None else time.monotonic() + call.options.timeout
    left = call.options.retries
    generation = 0
    while True:
        handle.check()
        request = call.request(generation)
        run = call.place.runs.begin(request, call.caller)
        if run.is_let_go:
            generation += 1  # an earlier attempt has let go of it: nothing comes of it any more
            continue
        try:
            return _value(call, run.ended or _followed(call, request, run, Waiter(handle, deadline)))
        except Exception as error:
            if run.ended is None:
                if not left or not _may_retry(error, handle):
                    raise
                left -= 1
            elif not _gave_nothing(run.ended, error):
                raise
            generation += 1


def _may_retry(error: Exception, handle: Handle) -> bool:
    if handle.why or _is_there(error):
        return False
    return isinstance(error, _AGAIN) or not isinstance(error, errors.DockerTaskError)


def _gave_nothing(ended: Ended, error: Exception) -> bool:
    """Whether a run of an earlier attempt is to be made anew: that it gave no value is no reason to give up in this
    one. A value that it gave and that cannot be read just now is not worked for twice."""
    return ended.type != "COMPLETED" or (isinstance(error, errors.ResultLost) and not error.is_there)


def _is_there(error: Exception) -> bool:
    """Whether another run would only give once more what cannot be read here."""
    return isinstance(error, errors.ResultLost) and error.is_there


@dataclass(frozen=True)
class Waiter:
    """Who waits for a run, and until when."""

    handle: Handle
    deadline: float | None

    @property
    def left(self) -> float | None:
        """Seconds, None without end."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class _LetGo(Exception):
    """Whoever called ends: nobody is there for what the run gives."""


def _followed(call: Prepared, request: Request, run: Begun, waiter: Waiter) -> Ended:
    """How the run ended. Raises DockerTaskError."""
    named = {"task": call.task, "run": run.id}
    what = f"Docker task {call.task!r}"
    runs, handle = call.place.runs, waiter.handle
    _note_begun(run, runs, handle)
    future = runs.end_of(run, request, call.patience)
    handle.given_up.add_done_callback(lambda _: _let_go(future))
    try:
        return _end(future, waiter)
    except _LetGo as error:
        raise errors.ChildCancelled(f"{what}: {handle.why}", **named) from error
    except NotStarted as error:
        reason = call.place.accounts.why_waiting(run.id)
        left = _stopped(run, runs, "Nothing began to execute it.")
        raise errors.ChildNeverStarted(
            f"{what} was not started for {error}: {reason}{left}", **named
        ) from error
    except LookupError as error:
        raise errors.ChildCrashed(f"{what}: {error}", **named) from error
    except NotYet as error:
        allowed = call.options.timeout
        left = _stopped(run, runs, f"The call took longer than {allowed} s.")
        raise errors.ChildTimedOut(
            f"{what} took longer than the {allowed:g} s that its call allows{left}", **named
        ) from error
    finally:
        future.cancel()


def _note_begun(run: Begun, runs: Runs, handle: Handle) -> None:
    """Raises ChildCancelled when the call was cancelled before, and the run cannot be."""
    try:
        handle.began(run.id, runs.cancel)
    except Exception as error:
        text = f"Docker task {handle.task!r} was cancelled: {handle.why}{_not_stopped(error)}"
        raise errors.ChildCancelled(text, task=handle.task, run=run.id) from error


def _end(future: Future[Ended], waiter: Waiter) -> Ended:
    """How the run ended, also when it did in the very moment in which the time was over. Raises NotYet."""
    try:
        return future.result(waiter.left)
    except NotYet:
        if future.done():
            return future.result()
        raise


def _stopped(run: Begun, runs: Runs, why: str) -> str:
    """Have the run cancelled. What is to be said of that: nothing, unless it cannot be; the call ends as it has to."""
    try:
        runs.cancel(run.id, why)
    except Exception as error:
        return _not_stopped(error)
    return ""


def _not_stopped(error: Exception) -> str:
    return f" (its run could not be cancelled: {type(error).__name__}: {error})"


def _value(call: Prepared, ended: Ended) -> Any:
    try:
        return value_of(ended, call.storage, pickle=call.options.pickle)
    finally:
        if call.options.logs:
            call.place.accounts.repeat_log(ended.run, call.task)


def _let_go(future: Future[Ended]) -> None:
    with suppress(Exception):  # it has ended meanwhile
        future.set_exception(_LetGo())
