"""What is begun ahead: its result is waited for, and what fails is told where it is needed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from threading import Event, current_thread

import pytest

from flowyard.ahead import SHIPMENT, ahead, preload


def test_all_that_is_loaded_exists() -> None:
    assert [name for name in SHIPMENT if find_spec(name) is None] == []


def test_it_runs_beside_and_its_result_is_waited_for() -> None:
    asked = Event()

    def work() -> str:
        assert asked.wait(60)
        return current_thread().name

    future = ahead(work)
    asked.set()
    assert future.result() == "ahead"


def test_what_it_raises_is_raised_where_its_result_is_asked_for() -> None:
    future = ahead(lambda: int("nothing"))
    with pytest.raises(ValueError, match="nothing"):
        future.result()


def test_modules_are_there_when_the_result_is() -> None:
    ahead(lambda: preload(("colorsys",))).result()
    assert "colorsys" in sys.modules


def test_what_cannot_be_loaded_is_told_by_who_needs_it() -> None:
    preload(("flowyard.nowhere",))
    with pytest.raises(ModuleNotFoundError):
        import_module("flowyard.nowhere")
