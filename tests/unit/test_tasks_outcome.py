"""What came of a call, by the state of its run and what the called side stored."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flowyard.runtime.tasks import errors, watch
from flowyard.runtime.tasks.child import outcome_key
from flowyard.runtime.tasks.exceptions import described, revived
from flowyard.runtime.tasks.outcome import Ended, error_of, value_of
from flowyard.runtime.tasks.runs import NotStarted
from flowyard.runtime.tasks.waiting import Waiter


class Memory:
    """A Storage in memory."""

    def __init__(self, **outcomes: Any) -> None:
        self.files = {outcome_key(run): json.dumps(each).encode() for run, each in outcomes.items()}
        self.broken = False

    def scratch(self) -> Path:
        raise NotImplementedError

    def put(self, key: str, source: bytes | Path) -> None:
        assert isinstance(source, bytes)
        self.files[key] = source

    def fetched(self, key: str) -> AbstractContextManager[Path]:
        raise NotImplementedError

    def read(self, key: str) -> bytes:
        if self.broken:
            raise OSError(5, "Input/output error")
        if key not in self.files:
            raise FileNotFoundError(key)
        return self.files[key]

    def has(self, key: str) -> bool:
        return key in self.files


class Odd(Exception):
    """Its arguments are not what it was made with."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def ended(type: str, name: str = "", message: str = "") -> Ended:
    return Ended("clean", "run", type, name or type.title(), message)


def raised(error: Exception) -> dict[str, Any]:
    try:
        raise error
    except Exception as caught:
        return described(caught)


def test_a_completed_run_gives_its_value() -> None:
    storage = Memory(run={"value": [1, {"$flowyard": "tuple", "value": [2]}]})
    assert value_of(ended("COMPLETED"), storage) == [1, (2,)]


FAILED = "Flow run encountered an exception: "


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        (ended("CANCELLED", message="by hand"), errors.ChildCancelled, "'clean' was cancelled: by hand"),
        (ended("CANCELLED"), errors.ChildCancelled, "no reason given"),
        (
            ended("FAILED", "TimedOut", "exceeded timeout of 3 second(s)"),
            errors.ChildTimedOut,
            "exceeded timeout",
        ),
        (
            ended("CRASHED", message="The container ran out of memory. -9"),
            errors.OutOfMemory,
            "out of memory",
        ),
        (ended("CRASHED", message="OutOfMemoryError: container killed"), errors.OutOfMemory, "killed"),
        (ended("CRASHED", message="ImageNotFound: 404"), errors.ImageMissing, "ImageNotFound"),
        (ended("CRASHED", message="CannotPullContainerError: manifest unknown"), errors.ImageMissing, "pull"),
        (ended("CRASHED", message="exited with status code 17"), errors.ChildCrashed, "status code 17"),
        (ended("FAILED", message=f"{FAILED}StorageFailed: full"), errors.StorageFailed, "'clean': full"),
        (
            ended(
                "FAILED", message="Validation of flow parameters failed with error: StorageFailed: no file"
            ),
            errors.StorageFailed,
            "'clean': no file",
        ),
        (
            ended("FAILED", message=f"{FAILED}flowyard.runtime.tasks.errors.ResultNotSerialisable: a socket"),
            errors.ResultNotSerialisable,
            "a socket",
        ),
        (
            ended("FAILED", message=f"{FAILED}KeyError: 'a'"),
            errors.ChildFailed,
            "failed: Flow run encountered",
        ),
    ],
)
def test_a_run_without_a_stored_outcome(state: Ended, kind: type[Exception], text: str) -> None:
    error = error_of(state, Memory())
    assert (type(error), getattr(error, "run", None), text.lower() in str(error).lower()) == (
        kind,
        "run",
        True,
    )


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("a"), OSError(2, "gone"), Odd(7)])
def test_an_exception_is_raised_as_itself(error: Exception) -> None:
    found = error_of(ended("FAILED"), Memory(run={"error": raised(error)}))
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
    cause = found.__cause__
    assert isinstance(cause, errors.ChildFailed)
    assert "Traceback (most recent call last)" in cause.traceback
    assert cause.type.endswith(type(error).__name__)


def test_an_exception_of_a_type_that_is_not_here() -> None:
    told = {**raised(ValueError("no")), "type": "elsewhere:Wrong"}
    found = error_of(ended("FAILED"), Memory(run={"error": told}))
    assert isinstance(found, errors.ChildFailed)
    assert (found.type, found.message) == (
        "elsewhere.Wrong",
        "Docker task 'clean' raised elsewhere.Wrong: no",
    )
    assert "Traceback" in found.traceback


def test_an_exception_is_never_another_one() -> None:
    assert revived({**raised(ValueError("no")), "type": "builtins:SystemExit"}) is None
    assert revived({**raised(ValueError("no")), "type": "builtins:print"}) is None
    assert revived(raised(Hostile())) is None


def test_our_own_errors_are_raised_as_themselves() -> None:
    told = raised(errors.ArgumentsRefused("'frame' is none"))
    found = error_of(ended("FAILED"), Memory(run={"error": told}))
    assert (type(found), str(found)) == (errors.ArgumentsRefused, "Docker task 'clean': 'frame' is none")


def test_a_value_that_is_lost_or_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    storage = Memory()
    with pytest.raises(errors.ResultLost, match="its value is not in the result storage") as lost:
        value_of(ended("COMPLETED"), storage)
    assert (lost.value.is_there, paused) == (False, [0.2] * 4)
    storage.broken = True
    with pytest.raises(errors.StorageFailed, match=r"cannot be read from the result storage: .*Input/output"):
        value_of(ended("COMPLETED"), storage)
    unknown = Memory(run={"value": {"$flowyard": "newer", "value": 1}})
    with pytest.raises(errors.ResultLost, match="written as 'newer', which this image does not know") as kept:
        value_of(ended("COMPLETED"), unknown)
    assert kept.value.is_there


def test_an_outcome_that_is_no_json_is_one_that_cannot_be_read() -> None:
    storage = Memory()
    storage.put(outcome_key("run"), b'{"value": ')
    with pytest.raises(errors.StorageFailed, match="cannot be read from the result storage: Expecting value"):
        value_of(ended("COMPLETED"), storage)


def state(**said: bool) -> Any:
    known = dict.fromkeys(("is_final", "is_scheduled", "is_pending", "is_running"), False)
    return SimpleNamespace(**{name: lambda each=each: each for name, each in {**known, **said}.items()})


def test_a_run_that_nothing_begins_is_given_up() -> None:
    waiter = Waiter(lambda: 1.0)
    watched = waiter._watch(_watched(uuid4(), patience=0.0))
    waiter._judge(watched, SimpleNamespace(state=state(is_running=True)))  # type: ignore[arg-type]
    assert not watched.future.done()
    waiter._judge(watched, SimpleNamespace(state=state(is_scheduled=True)))  # type: ignore[arg-type]
    assert isinstance(watched.future.exception(0), NotStarted)
    assert not waiter._watched


def test_a_run_that_was_deleted_is_none_to_wait_for() -> None:
    waiter = Waiter()
    watched = waiter._watch(_watched(uuid4(), patience=9.0))
    waiter._judge(watched, None)
    assert isinstance(watched.future.exception(0), LookupError)


def _watched(run: UUID, patience: float) -> Any:
    from flowyard.runtime.tasks.waiting import _Watched

    return _Watched(run, "clean", patience, 0.0)


@pytest.mark.parametrize(
    ("text", "found"), [("low 0\noom 1\noom_kill 2\n", True), ("oom_kill 0\n", False), ("", False)]
)
def test_a_lack_of_memory_is_read_from_the_kernel(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "memory.events").write_text(text)
    assert watch.out_of_memory([tmp_path / "missing", tmp_path / "memory.events"]) is found


def test_a_caller_without_a_new_sign_of_life_is_silent() -> None:
    now = [0.0]
    storage = Memory()
    pulse = watch.Pulse(storage, "run", lambda: now[0])
    storage.files[watch.alive_key("run")] = b"1"
    assert not pulse.is_silent()
    now[0] = watch.SILENCE + 1
    assert pulse.is_silent()
    storage.files[watch.alive_key("run")] = b"2"
    assert not pulse.is_silent()


def test_what_a_flow_printed_is_told_and_is_no_reason() -> None:
    last = "downloading: No such image. java.lang.OutOfMemoryError"
    error = error_of(Ended("clean", "run", "CRASHED", "Crashed", "exit code 1", last), Memory())
    assert type(error) is errors.ChildCrashed
    assert str(error) == f"Docker task 'clean' crashed: exit code 1\n{last}"
