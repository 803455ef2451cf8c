"""Flows that call Docker tasks, tested without images."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from flowyard import DockerTaskError, NotPinned, docker_task
from flowyard.runtime.tasks.calls import prepare
from flowyard.runtime.tasks.places import OPEN
from flowyard.runtime.tasks.task import DockerTask
from flowyard.testing import inline, replaced

FLOW = """from prefect import flow


@flow
def clean(value: int, more: int = 1) -> int:
    return value + more
"""


def test_a_function_takes_the_place_of_a_task() -> None:
    clean = docker_task("clean-up")
    with replaced(clean_up=lambda value, more=1: value + more):
        assert clean(1) == 2
        assert clean.submit(1, more=2).result() == 3
        assert [one.result() for one in clean.map([1, 2], limit=1)] == [2, 3]
        assert asyncio.run(clean.acall(4)) == 5
        assert clean.with_options(retries=3)(1) == 2


def test_what_is_begun_is_open_until_it_has_ended() -> None:
    """So that a flow that returns at once waits for it, whether its thread has come to run or not."""
    may_end = threading.Event()
    with replaced(clean=lambda _: may_end.wait(10)):
        begun = docker_task("clean").map(range(500), limit=2)
        assert OPEN.is_any_open()
        assert threading.active_count() < 100
        may_end.set()
        assert all(one.result(10) for one in begun)
    deadline = time.monotonic() + 10
    while OPEN.is_any_open():  # a result is there a moment before its call has ended
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_map_has_room_for_one_at_least(limit: int) -> None:
    with (
        replaced(clean=int),
        pytest.raises(DockerTaskError, match=rf"map\(limit={limit}\): at least one has to"),
    ):
        docker_task("clean").map([1], limit=limit)


def test_what_the_function_raises_is_raised() -> None:
    clean = docker_task("clean")

    def fails() -> None:
        raise ValueError("no")

    with replaced(clean=fails):
        with pytest.raises(ValueError, match="no"):
            clean()
        future = clean.submit()
        assert future.wait(10)
        with pytest.raises(ValueError, match="no"):
            future.result()


def test_coroutines_are_awaited() -> None:
    async def slowly(value: int) -> int:
        await asyncio.sleep(0)
        return value

    with replaced(clean=slowly):
        assert asyncio.run(docker_task("clean").acall(4)) == 4
        assert docker_task("clean").submit(5).result() == 5


def test_outside_of_the_block_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWYARD_DOCKER_TASKS", "{}")  # as in an image whose flow was shipped with none
    with replaced(clean=int):
        pass
    with pytest.raises(NotPinned):
        docker_task("clean")()


def test_the_flow_itself_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "flow.py").write_text(FLOW)
    with replaced(clean=inline(tmp_path / "clean")):
        assert docker_task("clean")(1, more=5) == 6


def test_a_call_is_prepared_by_the_task_alone() -> None:
    assert isinstance(docker_task("clean"), DockerTask)
    assert callable(prepare)
