"""One call, from its arguments to its value: prepared where it is made, performed in any thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet  # its own class before Python 3.11
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from flowyard.runtime.tasks import errors, stuck
from flowyard.runtime.tasks.callers import Caller, caller
from flowyard.runtime.tasks.child import PICKLE
from flowyard.runtime.tasks.identity import idempotency_key
from flowyard.runtime.tasks.outcome import Ended, value_of
from flowyard.runtime.tasks.pins import choose, read
from flowyard.runtime.tasks.runs import Pinned, Request, Runs, cancel
from flowyard.runtime.tasks.storage import Storage, open_storage
from flowyard.runtime.tasks.trees import NotSerialisable
from flowyard.runtime.tasks.values import INLINE, LIMIT, LIMIT_ENV, Values, fingerprint, is_reference
from flowyard.runtime.tasks.waiting import NotStarted, Waiter

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

START_ENV = "FLOWYARD_DOCKER_TASKS_START"
START = 600.0  # seconds in which some run of the process has to be executed
_AGAIN = (
    errors.ChildFailed,
    errors.ChildCrashed,
    errors.ResultLost,
)  # what `retries` is for, with exceptions
_runs = Runs()
_waiter = Waiter()
_open: set[Handle] = set()
_open_lock = threading.Lock()


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
    pinned: Pinned
    arguments: Mapping[str, Any]
    storage: Storage
    caller: Caller | None
    number: int
    content: str
    name: str

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
        labels = {PICKLE: "1"} if self.options.pickle else {}
        return Request(
            self.pinned,
            self.arguments,
            key,
            f"{self.name}{later}",
            self.options.tags,
            self.options.job_variables,
            labels,
        )


class Handle:
    """What others may do to a call that is being performed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.run: UUID | None = None
        self.why = ""
        self.given_up: Future[None] = Future()

    def began(self, run: UUID) -> None:
        """The call's flow run is there; it is cancelled when somebody asked for that before."""
        with self._lock:
            self.run = run
            why = self.why
        if why:
            cancel(run, why)

    def cancel(self, why: str) -> None:
        """Have the flow run cancelled; the call ends when it has ended."""
        with self._lock:
            self.why, run = why, self.run
        if run is not None:
            cancel(run, why)


def prepare(task: str, options: Options, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Prepared:
    """Bind, store and check the arguments of a call. Raises DockerTaskError."""
    pinned = _runs.pinned(choose(read(os.environ), task, options.deployment))
    storage = open_storage(os.environ)
    values = Values(storage, int(os.environ.get(LIMIT_ENV) or LIMIT))
    arguments: dict[str, Any] = {}
    room = INLINE
    for name, value in pinned.bind(args, kwargs).items():
        arguments[name] = _argument(values, (task, name), value, room, pickle=options.pickle)
        room -= 0 if is_reference(arguments[name]) else len(str(arguments[name]))
    pinned.check(arguments)
    content = fingerprint({"pin": pinned.pin.id, "variables": options.job_variables, "arguments": arguments})
    who = caller()
    number = who.ledger.number(content, who.site) if who else 0
    name = options.name or (f"{who.name}-{who.ledger.name(task)}" if who else task)
    return Prepared(options, pinned, arguments, storage, who, number, content, name)


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
    with _open_lock:
        _open.add(handle)
    try:
        while True:
            run = _runs.create(call.request(generation), call.caller)
            if run.state is not None and run.state.is_cancelling():
                generation += 1  # an earlier attempt has let go of it: nothing comes of it any more
                continue
            taken_up = run.state is not None and run.state.is_final()
            try:
                return _value(call, run if taken_up else _followed(call, run, handle, deadline))
            except Exception as error:
                # A run of an earlier attempt that gave no value is no reason to give up in this one.
                if not taken_up and (not left or not _may_retry(error, handle)):
                    raise
                left -= 0 if taken_up else 1
                generation += 1
    finally:
        with _open_lock:
            _open.discard(handle)


def _may_retry(error: Exception, handle: Handle) -> bool:
    ours = isinstance(error, errors.DockerTaskError)
    return not handle.why and (isinstance(error, _AGAIN) or not ours)


def _followed(call: Prepared, run: FlowRun, handle: Handle, deadline: float | None) -> FlowRun:
    """The run once it has ended. Raises DockerTaskError."""
    named = {"task": call.task, "run": str(run.id)}
    handle.began(run.id)
    patience = call.options.start_timeout or float(os.environ.get(START_ENV) or START)
    future = _waiter.ended(run.id, patience)
    handle.given_up.add_done_callback(lambda _: _let_go(future))
    try:
        return future.result(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except NotStarted as error:
        reason = stuck.reason(run.id)
        cancel(run.id, "Nothing began to execute it.")
        raise errors.ChildNeverStarted(
            f"Docker task {call.task!r} was not started for {error}: {reason}", **named
        ) from error
    except LookupError as error:
        raise errors.ChildCrashed(f"Docker task {call.task!r}: {error}", **named) from error
    except NotYet as error:
        if future.done():  # let go: whoever called ends
            raise errors.ChildCancelled(f"Docker task {call.task!r}: {handle.why}", **named) from error
        cancel(run.id, f"The call took longer than {call.options.timeout} s.")
        raise errors.ChildTimedOut(
            f"Docker task {call.task!r} took longer than the {call.options.timeout:g} s that its call allows",
            **named,
        ) from error
    finally:
        _waiter.forget(run.id)


def _value(call: Prepared, run: FlowRun) -> Any:
    state = run.state
    assert state is not None, "it has ended"
    ended = Ended(call.task, str(run.id), state.type.value, state.name or "", state.message or "")
    try:
        return value_of(ended, call.storage)
    finally:
        if call.options.logs:
            stuck.repeat_logs(run.id, call.task)


def _let_go(future: Future[FlowRun]) -> None:
    with suppress(Exception):  # it has ended meanwhile
        future.set_exception(NotYet())


def end_all(why: str) -> None:
    """Cancel the runs of every call that is being performed, and let go of whoever waits for one."""
    with _open_lock:
        handles = list(_open)
    for handle in handles:
        with suppress(Exception):  # each of them, whatever the server says to another
            handle.cancel(why)
    for handle in handles:
        if not handle.given_up.done():
            handle.given_up.set_result(None)


def is_any_open() -> bool:
    """Whether a call is being performed."""
    with _open_lock:
        return bool(_open)


def unique_name() -> str:
    """A name for a thread."""
    return f"flowyard-call-{uuid4().hex[:8]}"
