"""How a call is performed: which runs are made for it, and which are not."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from flowyard.runtime.tasks.calls import Arguments, Options, perform, prepare
from flowyard.runtime.tasks.crew import Job, perform_all
from flowyard.runtime.tasks.errors import (
    BadSetting,
    ChildCancelled,
    ChildCrashed,
    ChildNeverStarted,
    ChildTimedOut,
)
from flowyard.runtime.tasks.handles import Handle, OpenCalls
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.runs import Begun, NotStarted
from tests.fakes_calls import FakeRuns


def work(runs: FakeRuns, **options: Any) -> Any:
    """A call, as a map would have it performed."""
    call = prepare(runs.place, "clean", Options(**options), Arguments((1,), {}))
    return lambda handle: perform(call, handle)


def performed(runs: FakeRuns, **options: Any) -> Any:
    """The value of a call."""
    handle = Handle("clean")
    handle.perform(work(runs, **options))
    return handle.future.result()


def test_a_call_gives_the_value_of_its_run() -> None:
    runs = FakeRuns()
    runs.end("run-1", value=7)
    assert performed(runs) == 7
    (request,) = runs.made
    assert (request.parameters, request.key, request.pickle) == ({"value": 1}, None, False)


def test_a_run_that_an_earlier_attempt_has_let_go_of_is_not_taken_up() -> None:
    gone = Begun("cancelling", is_let_go=True)
    runs = FakeRuns(first=[gone, gone])
    runs.end("run-3", value="anew")
    assert performed(runs, retries=0) == "anew"
    assert [one.name for one in runs.made] == ["clean", "clean-2", "clean-3"]


def test_a_run_of_an_earlier_attempt_that_gave_no_value_is_made_anew() -> None:
    runs = FakeRuns(first=[Begun("old", Ended("clean", "old", "CRASHED", "Crashed", "killed"))])
    runs.end("run-2", value="anew")
    assert performed(runs) == "anew"
    runs = FakeRuns(first=[Begun("old", Ended("clean", "old", "COMPLETED", "Completed", ""))])
    runs.end("old", value="there already")
    assert (performed(runs), len(runs.made)) == ("there already", 1)


def test_what_crashed_is_run_again_as_often_as_the_call_says() -> None:
    runs = FakeRuns()
    runs.end("run-1", "CRASHED", message="killed")
    runs.end("run-2", "CRASHED", message="killed")
    with pytest.raises(ChildCrashed, match="killed"):
        performed(runs, retries=1)
    assert len(runs.made) == 2


@pytest.mark.parametrize("patience", [0, 5.0])
def test_the_patience_of_a_call_is_the_one_it_says(patience: float) -> None:
    class Impatient(FakeRuns):
        def end_of(self, run: Begun, request: Any, patience: float) -> Future[Ended]:
            future: Future[Ended] = Future()
            future.set_exception(NotStarted(f"{patience} s"))
            return future

    runs = Impatient()
    with pytest.raises(ChildNeverStarted, match=f"was not started for {patience} s: nobody is there"):
        performed(runs, start_timeout=patience)
    assert runs.cancelled == [("run-1", "Nothing began to execute it.")]


def test_a_call_takes_no_longer_than_it_may() -> None:
    runs = FakeRuns()
    with pytest.raises(ChildTimedOut, match="longer than the 0 s"):
        performed(runs, timeout=0)
    assert runs.cancelled == [("run-1", "The call took longer than 0 s.")]


@pytest.mark.parametrize("name", ["FLOWYARD_DOCKER_TASKS_LIMIT", "FLOWYARD_DOCKER_TASKS_START"])
@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_setting_that_is_no_number_is_told_of(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(BadSetting, match=f"{name} is {text!r}: it has to be a number, such as "):
        performed(FakeRuns())


def test_no_run_is_made_for_a_call_that_was_cancelled() -> None:
    runs, calls = FakeRuns(), OpenCalls()
    handle = calls.begin("clean")
    handle.cancel("Its caller cancelled it.")
    with pytest.raises(ChildCancelled, match="'clean' was cancelled before it was begun: Its caller"):
        handle.future.result(0)
    handle.perform(work(runs))
    assert (runs.made, calls.is_any_open()) == ([], False)


def test_no_run_is_made_after_a_call_was_cancelled_between_two_of_them() -> None:
    handle = Handle("clean")

    class Cancelling(FakeRuns):
        def begin(self, request: Any, caller: Any) -> Begun:
            handle.cancel("It is enough.")
            return super().begin(request, caller)

    runs = Cancelling(first=[Begun("old", is_let_go=True)])
    handle.perform(work(runs))
    with pytest.raises(ChildCancelled, match="It is enough"):
        handle.future.result(0)
    assert len(runs.made) == 1


def test_a_run_that_is_made_while_its_call_is_cancelled_is_cancelled() -> None:
    handle = Handle("clean")

    class Cancelling(FakeRuns):
        def begin(self, request: Any, caller: Any) -> Begun:
            handle.cancel("It is enough.")
            return super().begin(request, caller)

    runs = Cancelling()
    handle.perform(work(runs))
    assert runs.cancelled == [("run-1", "It is enough.")]
    assert isinstance(handle.future.exception(0), ChildCancelled)


def test_a_call_is_open_before_any_thread_performs_it() -> None:
    calls = OpenCalls()
    handle = calls.begin("clean")
    assert calls.is_any_open()
    handle.perform(lambda _: 1)
    assert not calls.is_any_open()


def test_once_they_are_ended_no_call_is_begun_until_the_flow_begins_anew() -> None:
    runs, calls = FakeRuns(), OpenCalls()
    going, queued = calls.begin("clean"), calls.begin("clean")
    perform_all([Job(going, work(runs))], 1)
    runs.until_made(1)
    calls.end_all("It ends.")
    late = calls.begin("clean")
    late.perform(work(runs))
    queued.perform(work(runs))
    for handle in (going, queued, late):
        assert isinstance(handle.future.exception(10), ChildCancelled)
    assert (len(runs.made), runs.cancelled) == (1, [("run-1", "It ends.")])
    calls.anew()
    runs.end("run-2", value="again")
    again = calls.begin("clean")
    again.perform(work(runs))
    assert again.future.result(0) == "again"


def test_many_calls_take_no_more_threads_than_may_run_at_once() -> None:
    runs, calls = FakeRuns(), OpenCalls()
    handles = [calls.begin("clean") for _ in range(300)]
    before = threading.active_count()
    perform_all([Job(handle, work(runs)) for handle in handles], 3)
    runs.until_made(3)
    assert threading.active_count() - before <= 3
    for number in range(1, 301):
        runs.end(f"run-{number}", value=number)
    assert sorted(handle.future.result(30) for handle in handles) == list(range(1, 301))
