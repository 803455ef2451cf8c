"""What is loaded ahead: it is there after the join, and whatever fails is told where it is needed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from flowyard.ahead import MODULES, loading


def test_all_of_it_exists() -> None:
    assert [name for name in MODULES if find_spec(name) is None] == []


def test_it_is_loaded_when_the_thread_is_joined() -> None:
    with loading(("colorsys",)) as loaded:
        loaded.join()
        assert "colorsys" in sys.modules


def test_what_cannot_be_loaded_is_told_by_who_needs_it() -> None:
    with loading(("flowyard.nowhere", "sched")) as loaded:
        loaded.join()
    assert not loaded.is_alive()
