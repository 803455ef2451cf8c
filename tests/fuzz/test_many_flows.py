"""A hundred flows: the same is asked as of twenty, and neither work nor memory grows faster than the flows do."""

from __future__ import annotations

import cProfile
import tracemalloc
from collections.abc import Callable

import pytest

from tests.many_flows import WIDE, Shape, users_of
from tests.many_sites import assert_a_handful_is_asked, changed, few, shipped
from tests.yard_site import Site

FEW, SOME, MANY = few(20), few(40), few(100)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[Shape, Site]:
    """The repositories, shipped. A test that changes one puts it back."""
    folder = tmp_path_factory.mktemp("many")
    return {shape: shipped(folder / str(shape.flows), shape) for shape in (FEW, SOME, MANY)}


def test_with_nothing_to_do_a_handful_is_asked_of_a_hundred(sites: dict[Shape, Site]) -> None:
    assert_a_handful_is_asked(sites[MANY])


def test_a_wide_folder_is_changed_for_exactly_its_users(sites: dict[Shape, Site]) -> None:
    users = users_of(MANY, WIDE)
    assert len(users) == 30
    assert changed(sites[MANY], f"{WIDE}/words.py", "WORDS = ()\n") == sorted(users)


def calls_made(act: Callable[[], object]) -> int:
    """How many functions an act calls, of Python and of C: work without the clock."""
    profile = cProfile.Profile()
    profile.runcall(act)
    return sum(one.callcount for one in profile.getstats())


def test_no_work_grows_faster_than_the_flows(sites: dict[Shape, Site]) -> None:
    """From 40 to 100 flows no more is added a flow than from 20 to 40."""
    few, some, many = (calls_made(sites[shape].ship) for shape in (FEW, SOME, MANY))
    each, later = (some - few) / 20, (many - some) / 60
    assert later < each * 1.1, f"{each:.0f} calls a flow, then {later:.0f}"


def test_memory_grows_no_faster_than_the_flows(sites: dict[Shape, Site]) -> None:
    peaks = []
    for shape in (FEW, MANY):
        tracemalloc.start()
        sites[shape].plan()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    few, many = peaks
    assert many < few * 5.5
    assert many < 40 * 2**20
