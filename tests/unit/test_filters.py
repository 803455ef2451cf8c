"""Which of the named flows a command is about: what is left out, callers, and what git narrows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from flowyard.errors import UsageError
from flowyard.load import load
from flowyard.planning.filters import Chosen, Surroundings, callers, choose
from flowyard.planning.selection import Selection
from flowyard.planning.touched import touched_since
from flowyard.render import Rendered, render
from flowyard.values import Flow, Project
from tests.support import FLOW, MINIMAL, lock, make_project, target_of, write_files

RESULTS = {"registry.toml": MINIMAL["registry.toml"] + 'results = "volume:results"\n'}


def calling(*tasks: str) -> str:
    """A flow that calls others as Docker tasks."""
    calls = "".join(f"    docker_task({task!r})()\n" for task in tasks)
    return f"from flowyard import docker_task\nfrom prefect import flow\n\n\n@flow\ndef main():\n{calls}"


class Changes:
    """A FileChanges that knows one reference."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def changed_since(self, reference: str) -> tuple[str, ...]:
        """As FileChanges.changed_since."""
        assert reference == "main"
        return self.paths


@pytest.fixture
def project(tmp_path: Path) -> Project:
    flows = {f"flows/{name}/flow.py": FLOW for name in ("etl", "etl_daily", "news")}
    return load(write_files(tmp_path, {**MINIMAL, **flows}))


def chosen(project: Project, selection: Selection, *changed: str, folder: Path | None = None) -> Chosen:
    around = Surroundings(folder or project.root, Changes(*changed), render, target_of(project))
    return choose(project, selection, around)


def names(found: Chosen) -> list[str]:
    return [flow.name for flow in found.flows]


@pytest.mark.parametrize(
    ("selection", "expected", "whole"),
    [
        (Selection(), ["etl", "etl_daily", "hello", "news"], True),
        (Selection(changed=True), ["etl", "etl_daily", "hello", "news"], True),
        (Selection(with_parents=True), ["etl", "etl_daily", "hello", "news"], True),
        (Selection(("etl*",)), ["etl", "etl_daily"], False),
        (Selection(exclude=("etl", "flows/n*")), ["etl_daily", "hello"], False),
        (Selection(("etl*", "news"), ("*daily",)), ["etl", "news"], False),
        (Selection(("etl",), ("etl",)), [], False),
    ],
)
def test_what_is_left_out(project: Project, selection: Selection, expected: list[str], whole: bool) -> None:
    """Only who means all flows may remove what belongs to no folder any more."""
    found = chosen(project, selection)
    assert (names(found), found.whole, found.notes) == (expected, whole, ())


def test_leaving_out_what_is_not_there_is_an_error(project: Project) -> None:
    with pytest.raises(UsageError, match=r"^no flow matches 'x\*'; flows: etl, etl_daily, hello, news$"):
        chosen(project, Selection(exclude=("x*",)))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"a"}, {"b", "c", "d"}),
        ({"b"}, {"c"}),
        ({"c"}, set()),
        ({"e", "b"}, {"c", "d"}),
    ],
)
def test_callers_and_their_callers(of: set[str], expected: set[str]) -> None:
    calls: Mapping[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("b",), "d": ("a", "e"), "e": ()}
    assert callers(of, calls) == expected


@pytest.fixture
def shared(tmp_path: Path) -> Project:
    """`top` calls `middle`, which calls `clean`; `top` and `clean` include folders."""
    root = make_project(
        tmp_path / "project",
        {
            **RESULTS,
            "flows/clean/flow.py": FLOW,
            "flows/clean/flow.toml": 'include = ["shared"]\n',
            "flows/middle/flow.py": calling("clean"),
            "flows/top/flow.py": calling("middle"),
            "flows/top/flow.toml": 'include = ["shared", "common/text"]\n',
            "flows/elsewhere/flow.py": calling("clean"),
            "flows/elsewhere/flow.toml": "[deployments.x]\ntargets = []\n",
            "shared/a.py": "A = 1\n",
            "common/text/b.py": "B = 1\n",
            "flows/top/Dockerfile.j2": '{% extends "Dockerfile.j2" %}\n',
        },
    )
    lock(root)
    return load(root)


def test_parents_are_all_that_call_a_flow_on_the_target(shared: Project) -> None:
    assert names(chosen(shared, Selection(("clean",), with_parents=True))) == ["clean", "middle", "top"]
    assert names(chosen(shared, Selection(("middle",), with_parents=True))) == ["middle", "top"]
    assert names(chosen(shared, Selection(("clean",), ("top",), with_parents=True))) == ["clean", "middle"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("flows/clean/flow.py", ["clean"]),
        ("flows/clean/gone/deleted.sql", ["clean"]),
        ("flows/cleaner/flow.py", []),
        ("shared/a.py", ["clean", "top"]),
        ("shared/new.py", ["clean", "top"]),
        ("common/text/b.py", ["top"]),
        ("common/other.py", []),
        ("README.md", []),
        ("flows/top/Dockerfile.j2", ["top"]),
        ("images/Dockerfile.j2", ["clean", "elsewhere", "hello", "middle", "top"]),
        ("images/partials/end.j2", ["clean", "elsewhere", "hello", "middle", "top"]),
        ("images/partials/system-packages.j2", []),
        ("images/locks/prefect-3.13.lock", ["clean", "elsewhere", "hello", "middle", "top"]),
        ("images/locks/prefect-3.12.lock", []),
        ("images/bases.lock", ["clean", "elsewhere", "hello", "middle", "top"]),
        ("registry.toml", ["clean", "elsewhere", "hello", "middle", "top"]),
    ],
)
def test_since_is_about_the_users_of_what_was_touched(
    shared: Project, path: str, expected: list[str]
) -> None:
    found = chosen(shared, Selection(since="main"), path)
    assert (names(found), found.whole) == (expected, False)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("path", ["flowyard/__init__.py", "flowyard/runtime/tasks/child.py"])
def test_flowyards_own_part_of_an_image_is_of_all_flows(shared: Project, path: str, inside: bool) -> None:
    """Where Flowyard is part of the repository. Elsewhere a folder of that name is somebody's own."""
    package = (shared.root if inside else shared.root.parent) / "flowyard"
    for changed, concerned in ((path, inside), ("flowyard/commands/verbs.py", False)):
        touched = touched_since(shared, shared.flows, [changed], render, package)
        assert touched == ({flow.name for flow in shared.flows} if concerned else set())


def test_what_a_flow_is_made_from_is_looked_at_once(shared: Project) -> None:
    asked: list[str] = []

    def counting(root: Path, flow: Flow, lines: tuple[str, ...]) -> Rendered:
        asked.append(flow.name)
        return render(root, flow, lines)

    touched_since(shared, shared.flows, [f"docs/{number}.md" for number in range(5)], counting)
    assert asked == [flow.name for flow in shared.flows]


def test_since_says_what_it_leaves_out_and_only_narrows(shared: Project) -> None:
    found = chosen(
        shared, Selection(("clean", "top", "hello"), since="main"), "flows/top/x", "flows/middle/x"
    )
    assert (names(found), found.notes) == (
        ["top"],
        ("--since main leaves out 2 of 3 flows, deployed or not: clean, hello",),
    )
    wider = chosen(shared, Selection(("clean",), since="main", with_parents=True), "flows/clean/flow.py")
    assert (names(wider), wider.notes) == (["clean", "middle", "top"], ())


def test_what_is_shipped_as_a_parent_is_not_said_to_be_left_out(shared: Project) -> None:
    found = chosen(shared, Selection(since="main", with_parents=True), "flows/clean/flow.py")
    assert (names(found), found.notes) == (
        ["clean", "middle", "top"],
        ("--since main leaves out 2 of 5 flows, deployed or not: elsewhere, hello",),
    )


def test_a_lock_that_is_a_link_is_touched_with_what_it_leads_to(shared: Project) -> None:
    lock_file = shared.root / "images/locks/prefect-3.13.lock"
    target = shared.root / "common/prefect.lock"
    lock_file.rename(target)
    lock_file.symlink_to("../../common/prefect.lock")
    assert len(chosen(shared, Selection(since="main"), "common/prefect.lock").flows) == len(shared.flows)
