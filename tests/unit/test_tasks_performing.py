"""How a call is performed: which runs are made for it, and which are not."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import pytest

from flowyard.runtime.tasks.calls import Arguments, Options, perform, prepare
from flowyard.runtime.tasks.child import outcome_key
from flowyard.runtime.tasks.crew import Job, perform_all
from flowyard.runtime.tasks.errors import (
    BadSetting,
    ChildCancelled,
    ChildCrashed,
    ChildNeverStarted,
    ChildTimedOut,
    ResultLost,
    StorageFailed,
)
from flowyard.runtime.tasks.handles import Handle, OpenCalls
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.runs import Begun, NotStarted
from flowyard.runtime.tasks.task import DockerFuture
from tests.fakes_calls import FakeRuns, Memory


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


COMPLETED = Begun("old", Ended("clean", "old", "COMPLETED", "Completed", ""))


class Broken(Memory):
    """A storage that cannot be read."""

    def read(self, key: str) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_value_of_an_earlier_attempt_that_cannot_be_read_is_not_worked_for_twice() -> None:
    runs = FakeRuns(Broken(), first=[COMPLETED])
    runs.end("run-2", value="twice")
    with pytest.raises(StorageFailed, match="Input/output error"):
        performed(runs, retries=1)
    assert len(runs.made) == 1
    runs = FakeRuns(first=[COMPLETED])
    runs.end("old", value={"$flowyard": "newer", "value": 1})
    runs.end("run-2", value="twice")
    with pytest.raises(ResultLost, match="which this image does not know"):
        performed(runs, retries=1)
    assert len(runs.made) == 1


def test_a_value_that_cannot_be_read_here_is_not_asked_for_again() -> None:
    runs = FakeRuns()
    runs.end("run-1", value={"$flowyard": "newer", "value": 1})
    runs.end("run-2", value="twice")
    with pytest.raises(ResultLost, match="which this image does not know"):
        performed(runs, retries=1)
    assert len(runs.made) == 1


def test_a_value_of_an_earlier_attempt_that_is_lost_is_worked_for_anew() -> None:
    runs = FakeRuns(first=[COMPLETED])
    runs.storage.put(outcome_key("old"), b"{}")
    runs.end("run-2", value="anew")
    assert (performed(runs), len(runs.made)) == ("anew", 2)


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


class Away(FakeRuns):
    """Where nothing can be cancelled."""

    def cancel(self, run: str, why: str) -> None:
        raise ConnectionError("nobody is there")


NOT_CANCELLED = r"its run could not be cancelled: ConnectionError: nobody is there"


def test_a_call_ends_for_its_own_reason_while_the_server_is_away() -> None:
    runs = Away()
    with pytest.raises(ChildTimedOut, match=rf"longer than the 0 s that its call allows \({NOT_CANCELLED}\)"):
        performed(runs, timeout=0)
    runs = Away()
    runs.ends["run-1"] = Future()
    runs.ends["run-1"].set_exception(NotStarted("9 s"))
    with pytest.raises(ChildNeverStarted, match=rf"for 9 s: nobody is there \({NOT_CANCELLED}\)"):
        performed(runs)


def test_a_call_that_was_cancelled_ends_as_that_while_the_server_is_away() -> None:
    handle = Handle("clean")

    class Cancelling(Away):
        def begin(self, request: Any, caller: Any) -> Begun:
            handle.cancel("It is enough.")
            return super().begin(request, caller)

    handle.perform(work(Cancelling()))
    with pytest.raises(ChildCancelled, match=rf"It is enough\. \({NOT_CANCELLED}\)"):
        handle.future.result(0)


def test_whoever_stops_awaiting_sees_that_while_the_server_is_away() -> None:
    handle = Handle("clean")
    handle.began("run-1", Away().cancel)

    async def left() -> None:
        await asyncio.wait_for(DockerFuture(handle).aresult(), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(left())


def test_a_run_that_ends_in_the_moment_in_which_its_time_is_over_gives_its_value() -> None:
    class AtOnce(Future[Ended]):
        def result(self, timeout: float | None = None) -> Ended:
            if self.done():
                return super().result(timeout)
            self.set_result(Ended("clean", "run-1", "COMPLETED", "Completed", ""))
            raise NotYet

    runs = FakeRuns(ends={"run-1": AtOnce()})
    runs.storage.put(outcome_key("run-1"), b'{"value": 7}')
    assert (performed(runs, timeout=9), runs.cancelled) == (7, [])


@pytest.mark.parametrize("left", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_call_that_is_left_has_its_run_cancelled(left: BaseException) -> None:
    class Left(Future[Ended]):
        def result(self, timeout: float | None = None) -> Ended:
            raise left

    runs, handle = FakeRuns(ends={"run-1": Left()}), Handle("clean")
    handle.perform(work(runs))
    assert handle.future.exception(0) is left
    assert runs.cancelled == [("run-1", f"Its call was left: {type(left).__name__}.")]


def test_a_call_that_is_left_ends_while_the_server_is_away() -> None:
    def interrupted(handle: Handle) -> None:
        handle.began("run-1", Away().cancel)
        raise KeyboardInterrupt

    handle = Handle("clean")
    handle.perform(interrupted)
    assert isinstance(handle.future.exception(0), KeyboardInterrupt)


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
    runs = FakeRuns()
    with pytest.raises(BadSetting, match=f"{name} is {text!r}: it has to be a number, such as "):
        performed(runs)
    assert runs.made == []


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


def test_whoever_waits_is_let_go_before_anything_is_cancelled_and_nothing_is_waited_for_long() -> None:
    calls, answered, seen = OpenCalls(), threading.Event(), list[str]()
    handles = [calls.begin("clean") for _ in range(5)]

    def stop(run: str, why: str) -> None:
        seen.append(f"{run}: {why} {all(handle.given_up.done() for handle in handles)}")
        if run == "run-0":
            answered.wait(30)

    for number, handle in enumerate(handles):
        handle.began(f"run-{number}", stop)
    calls.end_all("It ends.", seconds=0.3)
    answered.set()
    assert sorted(seen) == [f"run-{number}: It ends. True" for number in range(5)]
