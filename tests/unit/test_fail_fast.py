"""With `fail_fast` a ship begins no other flow once one has failed; what it did before stays done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flowyard.building.pace import Pace
from flowyard.errors import BuildFailed, ConfigurationError, PushFailed, Unfinished
from flowyard.pipeline import ship
from flowyard.report import exit_code
from tests.support import FLOW, MINIMAL, lock, make_project, write_files
from tests.yard_site import FIRST, Site


def test_after_a_failure_that_is_to_end_the_rest_nothing_else_begins(tmp_path: Path) -> None:
    """One at a time: `a` is shipped, `b` fails, what comes after is not begun, and what is unchanged is."""
    root = make_project(tmp_path / "project", {f"flows/{name}/flow.py": FLOW for name in "abcd"})
    lock(root)
    site = Site(root)
    site.ship("d")
    site.builder.failures["b"] = PushFailed("no room")
    yard = replace(site.yard(), pace=Pace(1, fail_fast=True))
    outcomes = {one.plan.name: one.error for one in ship(yard, yard.project.flows, whole=True)}
    assert {name: type(error) for name, error in outcomes.items() if error is not None} == {
        "b": PushFailed,
        "c": Unfinished,
        "hello": Unfinished,
    }
    assert (site.built(), site.heads()) == (["a", "b", "d"], {"a": FIRST, "d": FIRST})
    site.builder.failures.clear()
    assert {name: one.error for name, one in site.ship().items() if one.error is not None} == {}


def test_after_a_failure_callers_are_not_begun_either(tmp_path: Path) -> None:
    calls = "from flowyard import docker_task\nfrom prefect import flow\n\n\n@flow\ndef main():\n    "
    files = {
        "registry.toml": MINIMAL["registry.toml"] + 'results = "volume:results"\n',
        "flows/etl/flow.py": calls + 'docker_task("hello")()\n',
        "flows/news/flow.py": FLOW,
        "flows/other/flow.py": calls + 'docker_task("news")()\n',
    }
    root = make_project(tmp_path / "project", files)
    lock(root)
    site = Site(root)
    site.builder.failures["hello"] = BuildFailed("no")
    yard = replace(site.yard(), pace=Pace(1, fail_fast=True))
    errors = {one.plan.name: one.error for one in ship(yard, yard.project.flows, whole=True)}
    assert {name: type(error).__name__ for name, error in errors.items()} == {
        "hello": "BuildFailed",
        "etl": "Unfinished",
        "news": "Unfinished",
        "other": "Unfinished",
    }
    assert {str(errors[name]) for name in ("news", "other", "etl")} == {
        "not begun: another flow failed first",
        "its Docker task hello could not be shipped",
        "its Docker task news could not be shipped",
    }


def test_a_flow_that_is_refused_before_anything_is_built_ends_the_rest_as_well(tmp_path: Path) -> None:
    wrong = '[deployments.daily]\njob-variables = { memlimit = "1g" }\n'
    root = make_project(tmp_path / "project", {"flows/etl/flow.py": FLOW, "flows/hello/flow.toml": wrong})
    lock(root)
    site = Site(root)
    outcomes = ship(replace(site.yard(), pace=Pace(2, fail_fast=True)), site.yard().project.flows, whole=True)
    assert {one.plan.name: type(one.error) for one in outcomes} == {
        "etl": Unfinished,
        "hello": ConfigurationError,
    }
    assert (site.built(), exit_code(outcomes)) == ([], 2)
    write_files(root, {"flows/hello/flow.toml": "[deployments.daily]\n"})
    assert exit_code(site.ship().values()) == 0
