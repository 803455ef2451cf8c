"""What flows to be built would each upload is waited for, and what the registry is known to hold never is."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
from flowyard.building.pace import Pace
from flowyard.building.push_order import PushOrder
from flowyard.errors import PushFailed
from flowyard.pipeline import plan_flows, ship
from flowyard.reporting.account import of_plan
from tests.support import FLOW, lock, make_project, write_files
from tests.yard_site import Site

SETS = {"a": "attrs\n", "b": "attrs\n", "c": "idna\n", "d": ""}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Flows `a` and `b` with equal locks, `c` with another one, `d` and `hello` without; all share a folder."""
    files = {f"flows/{name}/flow.py": FLOW for name in SETS}
    files |= {f"flows/{name}/requirements.txt": text for name, text in SETS.items() if text}
    files |= {f"flows/{name}/flow.toml": 'include = ["shared"]\n' for name in SETS}
    root = make_project(tmp_path / "project", {**files, "shared/words.py": "ONE = 1\n"})
    lock(root)
    return Site(root)


def new(site: Site) -> dict[str, int]:
    """How many layers each flow that is to be built may have to upload, all of them planned together."""
    yard = site.yard()
    plan = plan_flows(yard, yard.project.flows, whole=True)
    order = PushOrder(plan.flows)
    return {flow.name: len(order.new(flow)) for flow in plan.changes}


def test_everything_is_new_to_an_empty_registry_and_equal_locks_are_one_layer(site: Site) -> None:
    yard = site.yard()
    plan = plan_flows(yard, yard.project.flows, whole=True)
    order = PushOrder(plan.flows)
    a, b, c, d, hello = (order.new(flow) for flow in plan.flows)
    assert (a == b, d == hello, d < a, d < c, a & c == d) == (True, True, True, True, True)
    assert len(a) == len(d) + 1
    order.noting(lambda flow: flow.name)(plan.flows[0])
    assert [len(order.new(flow)) for flow in plan.flows] == [0, 0, 1, 0, 0]


def test_a_flow_that_failed_has_brought_nothing(site: Site) -> None:
    yard = site.yard()
    plan = plan_flows(yard, yard.project.flows, whole=True)
    order = PushOrder(plan.flows)
    before = order.new(plan.flows[0])

    def ship(flow: object) -> None:
        raise PushFailed("no room")

    with pytest.raises(PushFailed):
        order.noting(ship)(plan.flows[0])
    assert order.new(plan.flows[0]) == before


def test_nothing_is_waited_for_after_an_edit_whoever_is_edited(site: Site) -> None:
    assert all(one.error is None for one in site.ship().values())
    write_files(site.root, {"shared/words.py": "ONE = 2\n", "flows/hello/flow.py": FLOW + "# edited\n"})
    write_files(site.root, {"flows/e/flow.py": FLOW})
    assert new(site) == dict.fromkeys(("a", "b", "c", "d", "e", "hello"), 0)


def test_a_file_of_a_flow_that_is_called_a_lock_makes_no_layer(site: Site) -> None:
    """Neither what is pushed one after the other nor which jobs of CI build what hangs on it."""
    write_files(site.root, {"flows/a/poetry.lock": "x\n", "flows/b/vendored/requirements.lock": "y\n"})
    yard = site.yard()
    plan = plan_flows(yard, yard.project.flows, whole=True)
    order = PushOrder(plan.flows)
    a, b, c, *_ = (order.new(flow) for flow in plan.flows)
    assert (a == b, a == c) == (True, False)
    layers = [flow.layer for flow in of_plan(plan).flows]
    assert (layers[0] == layers[1], layers[0] == layers[2]) == (True, False)


def test_another_lock_is_new_to_those_who_have_it(site: Site) -> None:
    site.ship()
    files = {f"flows/{name}/requirements.txt": "toolz\n" for name in "ab"}
    write_files(site.root, files)
    lock(site.root)
    assert new(site) == {"a": 1, "b": 1}


def test_another_registry_holds_nothing(site: Site) -> None:
    site.ship()
    file = site.root / "registry.toml"
    text = file.read_text()
    assert "registry.example" in text
    file.write_text(text.replace("registry.example", "other.example"))
    assert min(new(site).values()) > 1


@dataclass
class Watched:
    """An ImageBuilder that takes a moment, and notes who else is built meanwhile."""

    builder: ImageBuilder
    beside: dict[str, set[str]] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def build(self, request: BuildRequest) -> BuiltImage:
        with self._lock:
            self._running.add(request.flow)
            self.beside[request.flow] = set()
            for flow in self._running:
                self.beside[flow] |= self._running - {flow}
        time.sleep(0.1)  # for others to begin, if they may
        try:
            return self.builder.build(request)
        finally:
            with self._lock:
                self._running.discard(request.flow)


def test_a_ship_builds_the_first_flow_alone_and_the_next_one_when_it_fails(site: Site) -> None:
    site.builder.failures["a"] = PushFailed("no room")
    watched = Watched(site.builder)
    yard = site.yard()
    yard = replace(yard, pace=Pace(4), workshop=replace(yard.workshop, builder=watched))
    outcomes = {one.plan.name: one.error for one in ship(yard, yard.project.flows, whole=True)}
    assert [name for name, error in outcomes.items() if error is not None] == ["a"]
    assert watched.beside["a"] == watched.beside["b"] == set()
    assert watched.beside["c"] >= {"d"} or watched.beside["c"] >= {"hello"}
