"""What came of a call: the value, or the error that says why there is none.

Prefect's own way to a run's result hides most reasons behind a missing file; here the run's state decides, and
then what the called side stored.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks import errors
from flowyard.runtime.tasks.child import outcome_key
from flowyard.runtime.tasks.errors import (
    ChildCrashed,
    ChildFailed,
    DockerTaskError,
    ImageMissing,
    OutOfMemory,
)
from flowyard.runtime.tasks.exceptions import revived
from flowyard.runtime.tasks.frames import CannotRead
from flowyard.runtime.tasks.values import Values

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

OUT_OF_MEMORY = "out of memory"  # in the message of a run that watch.py has seen die of it
_LOOKS, _PAUSE = 5, 0.2  # a folder on a network may show a file a moment late
_NOT_PULLED = re.compile(
    r"ImageNotFound|manifest unknown|pull access denied|No such image|not found: manifest|Docker pull failed"
    r"|repository does not exist|CannotPullContainer|failed to resolve reference",
    re.IGNORECASE,
)
_NO_MEMORY = re.compile(rf"{OUT_OF_MEMORY}|OutOfMemory", re.IGNORECASE)
_EXCEPTION = re.compile(
    r"^(?:Flow run encountered an exception|Validation of flow parameters failed with error):"
    r" (?:[\w.]*\.)?(\w+): (.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Ended:
    """How a called run ended: the type, name and message of its final state. `output` is the last that it printed,
    where nobody else can look: told to people, and never read for what happened."""

    task: str
    run: str
    type: str
    name: str
    message: str
    output: str = ""

    @staticmethod
    def of(task: str, run: FlowRun) -> Ended:
        """What the server says of a run that has ended."""
        state = run.state
        assert state is not None, "it has ended"
        return Ended(task, str(run.id), state.type.value, state.name or "", state.message or "")


def value_of(ended: Ended, storage: Storage, *, pickle: bool = False) -> Any:
    """The value that the call gives. Raises the called flow's exception, or DockerTaskError."""
    if ended.type == "COMPLETED":
        return _value(ended, storage, pickle=pickle)
    raise error_of(ended, storage)


def error_of(ended: Ended, storage: Storage) -> Exception:
    """Why the call gives no value. Raises StorageFailed."""
    named = {"task": ended.task, "run": ended.run}
    if ended.type == "CRASHED":
        text = "\n".join(part for part in (ended.message, ended.output) if part)
        return _crash(ended.message)(f"Docker task {ended.task!r} crashed: {text}", **named)
    if ended.type == "CANCELLED":
        text = f"Docker task {ended.task!r} was cancelled: {ended.message or 'no reason given'}"
        return errors.ChildCancelled(text, **named)
    if ended.name == "TimedOut":
        return errors.ChildTimedOut(f"Docker task {ended.task!r}: {ended.message}", **named)
    stored = _stored(ended, storage, looks=1) or {}
    return _exception(ended, stored["error"]) if "error" in stored else _untold(ended)


def _value(ended: Ended, storage: Storage, *, pickle: bool) -> Any:
    stored = _stored(ended, storage, looks=_LOOKS)
    if stored is None or "value" not in stored:
        raise errors.ResultLost(
            f"Docker task {ended.task!r} has completed, but its value is not in the result storage "
            f"({outcome_key(ended.run)}): both flows need the same storage, and files that are old are removed",
            task=ended.task,
            run=ended.run,
        )
    try:
        return Values(storage).value(stored["value"], pickle=pickle)
    except (CannotRead, ValueError, TypeError) as error:
        raise errors.ResultLost(
            f"the value of Docker task {ended.task!r} {error}", task=ended.task, run=ended.run, is_there=True
        ) from error
    except FileNotFoundError as error:
        raise errors.ResultLost(
            f"the value of Docker task {ended.task!r} is no longer in the result storage: {error}",
            task=ended.task,
            run=ended.run,
        ) from error
    except OSError as error:
        raise _unreadable(ended, error) from error


def _stored(ended: Ended, storage: Storage, looks: int) -> Mapping[str, Any] | None:
    for look in range(looks):
        try:
            found: Mapping[str, Any] = json.loads(storage.read(outcome_key(ended.run)))
        except FileNotFoundError:
            if look + 1 < looks:
                time.sleep(_PAUSE)
        except (OSError, ValueError) as error:  # ValueError: it is no JSON
            raise _unreadable(ended, error) from error
        else:
            return found
    return None


def _unreadable(ended: Ended, error: Exception) -> DockerTaskError:
    return errors.StorageFailed(
        f"the outcome of Docker task {ended.task!r} cannot be read from the result storage: {error}",
        task=ended.task,
        run=ended.run,
    )


def _exception(ended: Ended, told: Mapping[str, Any]) -> Exception:
    kind, message = str(told["type"]), str(told["message"])
    ours = _own(kind.rpartition(":")[2])
    if kind.startswith("flowyard.") and ours is not None:
        return ours(f"Docker task {ended.task!r}: {message}", task=ended.task, run=ended.run)
    name = kind.replace(":", ".").removeprefix("builtins.")
    failed = ChildFailed(
        f"Docker task {ended.task!r} raised {name}: {message}",
        task=ended.task,
        run=ended.run,
        kind=name,
        traceback=str(told["traceback"]),
    )
    error = revived(told)
    if error is None:
        return failed
    error.__cause__ = failed
    return error


def _untold(ended: Ended) -> DockerTaskError:
    """Of a run that failed and could not store why: its state's message is all there is."""
    match = _EXCEPTION.match(ended.message)
    ours = _own(match[1]) if match else None
    if match and ours is not None:
        return ours(f"Docker task {ended.task!r}: {match[2]}", task=ended.task, run=ended.run)
    text = f"Docker task {ended.task!r} failed: {ended.message}"
    return ChildFailed(text, task=ended.task, run=ended.run, kind=match[1] if match else "")


def _own(name: str) -> type[DockerTaskError] | None:
    """The error of this name that the called side itself raises."""
    own = (errors.ResultNotSerialisable, errors.StorageFailed, errors.ArgumentsRefused)
    return next((kind for kind in own if kind.__name__ == name), None)


def _crash(message: str) -> type[ChildCrashed]:
    if _NO_MEMORY.search(message):
        return OutOfMemory
    return ImageMissing if _NOT_PULLED.search(message) else ChildCrashed
