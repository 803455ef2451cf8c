"""A hundred flows: who is asked how often, what a change is a change of, and that nothing grows faster than they do."""

from __future__ import annotations

import shutil
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flowyard.errors import RegistryError
from flowyard.load import load
from flowyard.plan import Action
from flowyard.planning.desired import want
from flowyard.planning.selection import calls_of as read_calls
from tests.many_flows import TARGETS, WIDE, Shape, calls_of, flow_name, many_flows, names, registry, users_of
from tests.support import lock, make_project, target_of, write_files
from tests.yard_site import Site

FEW, SOME, MANY = (Shape(number, dependency_sets=5, wide=number * 3 // 10) for number in (20, 40, 100))


def make(root: Path, shape: Shape) -> Path:
    """The repository with fresh locks."""
    make_project(root, {**many_flows(shape), "registry.toml": registry()})
    shutil.rmtree(root / "flows/hello")
    lock(root)
    return root


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[Shape, Path]:
    """The repositories. A test that changes one puts it back."""
    folder = tmp_path_factory.mktemp("many")
    return {shape: make(folder / str(shape.flows), shape) for shape in (FEW, SOME, MANY)}


@pytest.fixture(scope="module")
def sites(roots: dict[Shape, Path]) -> dict[Shape, Site]:
    """All of them shipped."""
    made = {shape: Site(root) for shape, root in roots.items()}
    for shape, site in made.items():
        outcomes = site.ship()
        assert {name: one.error for name, one in outcomes.items() if one.error is not None} == {}
        assert tuple(sorted(outcomes)) == names(shape)
    return made


def asked(site: Site, act: Callable[[], object]) -> Counter[tuple[str, str]]:
    """What an act asks of Prefect. The container registry must not be asked at all."""
    site.server.requests.clear()
    site.registry.failure = RegistryError("must not be asked")
    try:
        act()
    finally:
        site.registry.failure = None
    return Counter((method, path) for method, path, _ in site.server.requests)


@pytest.mark.parametrize("shape", [FEW, MANY], ids=["20", "100"])
def test_with_nothing_to_do_a_handful_is_asked_whatever_the_number(
    sites: dict[Shape, Site], shape: Shape
) -> None:
    site = sites[shape]
    room = Counter({("GET", "/work_pools/pool"): 1, ("POST", "/work_pools/pool/queues/filter"): 1})
    seen = Counter({("POST", "/deployments/filter"): 1}) + room
    assert asked(site, site.plan) == seen
    assert asked(site, site.ship) == seen + Counter({("POST", "/artifacts/latest/filter"): 1})


def changed(site: Site, path: str, text: str) -> list[str]:
    """The flows that would be built after a file was changed to this text."""
    file = site.root / path
    before = file.read_text()
    write_files(site.root, {path: text})
    try:
        return sorted(name for name, action in site.actions().items() if action is Action.BUILD)
    finally:
        file.write_text(before)


def test_a_shared_folder_is_changed_for_exactly_its_users(sites: dict[Shape, Site]) -> None:
    site = sites[MANY]
    users = users_of(MANY, WIDE)
    assert len(users) == 30
    assert changed(site, f"{WIDE}/words.py", "WORDS = ()\n") == sorted(users)
    few = sites[FEW]
    assert changed(few, "common/part_3/rules.py", "PART = 0\n") == sorted(users_of(FEW, "common/part_3"))


def test_a_flow_s_own_file_is_changed_for_it_and_pins_for_its_caller(sites: dict[Shape, Site]) -> None:
    site = sites[FEW]
    assert changed(site, "flows/flow_012/query.sql", "select 0\n") == ["flow_012"]
    before = (site.root / "flows/flow_008/flow.py").read_text()
    write_files(site.root, {"flows/flow_008/flow.py": f"{before}# edited\n"})
    try:
        actions = {name: one for name, one in site.actions().items() if one is not Action.UNCHANGED}
    finally:
        write_files(site.root, {"flows/flow_008/flow.py": before})
    assert actions == {"flow_008": Action.BUILD, "flow_009": Action.REGISTER}


def test_a_template_and_a_base_are_changed_for_exactly_their_users(sites: dict[Shape, Site]) -> None:
    site = sites[FEW]
    end = (site.root / "images/partials/end.j2").read_text()
    assert changed(site, "images/partials/end.j2", f"{end}\n# edited\n") == sorted(names(FEW))
    assert changed(site, "images/partials/system-packages.j2", "# nobody has any\n") == []
    bases = (site.root / "images/bases.lock").read_text()
    other = f"@sha256:{'c' * 64}"
    lines = bases.splitlines(keepends=True)
    of_312 = "".join(line.replace(f"@sha256:{'b' * 64}", other) if "3.12" in line else line for line in lines)
    of_313 = "".join(line.replace(f"@sha256:{'b' * 64}", other) if "3.13" in line else line for line in lines)
    assert changed(site, "images/bases.lock", of_312) == []
    assert changed(site, "images/bases.lock", of_313) == sorted(names(FEW))


def test_each_target_has_the_same_flows(roots: dict[Shape, Path]) -> None:
    project = load(roots[FEW])
    assert tuple(sorted(project.targets)) == tuple(sorted(TARGETS))
    keys = [{want(project, flow, one).key for flow in project.flows} for one in project.targets.values()]
    assert keys[0] == keys[1] == keys[2]
    found = read_calls(project, target_of(project))
    assert found == {flow_name(one): tuple(sorted(calls_of(one))) for one in range(FEW.flows)}


def calls_made(act: Callable[[], object]) -> int:
    """How many functions an act calls, of Python and of C: work without the clock."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


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
