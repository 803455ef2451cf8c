"""An older commit replaces nothing: neither what a killed ship left behind nor what was removed on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import OrderError
from flowyard.plan import Action
from tests.support import FLOW, REGISTRY, lock, make_project, write_files
from tests.yard_site import FIRST, SECOND, Site

EDITED = {"flows/etl/flow.py": FLOW + "# edited\n"}
ETL = {"flows/etl/flow.py": FLOW, "flows/etl/flow.toml": "[deployments.daily]\n[deployments.weekly]\n"}
PRODUCTION = REGISTRY.partition("[targets.local]")[2].replace("prefect.example", "production.example")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Both flows were shipped from the first commit."""
    root = make_project(tmp_path / "project", dict(ETL))
    lock(root)
    one = Site(root)
    one.ship()
    return one


def images(site: Site) -> dict[str, str]:
    return {name: row["job_variables"]["image"] for name, row in site.server.by_name().items()}


def test_a_killed_ship_counts_although_its_head_was_not_moved(site: Site) -> None:
    heads = [dict(item) for item in site.server.artifacts if item["key"] == "flowyard--acme--local"]
    site.commit = SECOND
    write_files(site.root, EDITED)
    site.ship()
    site.server.artifacts += heads  # the newest counts, so the head is where it was
    newer = images(site)
    site.commit = FIRST
    write_files(site.root, ETL)
    error = site.ship("etl")["etl"].error
    assert site.heads() == {"etl": FIRST, "hello": FIRST}
    assert isinstance(error, OrderError)
    assert error.message == "commit 111111111111 is older than the deployed commit 222222222222"
    assert images(site) == newer


@pytest.mark.parametrize("written", ["etl/daily", "etl/weekly"])
def test_a_ship_that_was_killed_between_two_deployments_counts(site: Site, written: str) -> None:
    """Whichever of them was written, and in whatever order the server names them."""
    site.server.by_name()[written]["labels"]["flowyard.commit"] = SECOND
    write_files(site.root, EDITED)
    before = images(site)
    error = site.ship("etl")["etl"].error
    assert isinstance(error, OrderError)
    assert images(site) == before


def test_no_work_pool_is_made_for_flows_that_are_refused(site: Site) -> None:
    site.commit = SECOND
    site.ship()
    site.server.pools.clear()  # somebody deleted it
    site.server.requests.clear()
    site.commit = FIRST
    write_files(site.root, EDITED)
    assert isinstance(site.ship("etl")["etl"].error, OrderError)
    assert [path for _, path in site.server.writes() if path.startswith("/work_pools")] == []
    site.commit = SECOND
    assert site.ship("etl")["etl"].error is None
    assert ("POST", "/work_pools/") in site.server.writes()


def test_no_work_pool_is_made_to_remove_a_flow(site: Site) -> None:
    site.server.pools.clear()
    write_files(site.root, dict.fromkeys(ETL))
    (site.root / "flows/etl").rmdir()
    assert site.ship()["etl"].error is None
    assert set(images(site)) == {"hello/default"}
    assert ("POST", "/work_pools/") not in site.server.writes()


def test_no_work_pool_is_made_where_only_callers_of_a_refused_flow_are_left(site: Site) -> None:
    unknown = "[deployments.default]\njob-variables = { no-such = 1 }\n"
    calls = 'docker-tasks = ["hello"]\n' + ETL["flows/etl/flow.toml"]
    registry = REGISTRY.replace("[targets.local]\n", '[targets.local]\nresults = "volume:flow-results"\n')
    edited = {"flows/hello/flow.toml": unknown, "flows/etl/flow.toml": calls, "registry.toml": registry}
    write_files(site.root, edited)
    site.server.pools.clear()
    site.server.requests.clear()
    assert all(outcome.error is not None for outcome in site.ship().values())
    assert ("POST", "/work_pools/") not in site.server.writes()


def test_where_the_order_does_not_count_a_label_does_not_either(site: Site) -> None:
    site.commit = SECOND
    site.ship()
    none = REGISTRY.replace("[targets.local]\n", '[targets.local]\norder = "none"\n')
    write_files(site.root, {**EDITED, "registry.toml": none})
    site.commit = FIRST
    assert site.ship("etl")["etl"].error is None
    assert site.heads()["etl"] == FIRST


def test_an_older_commit_does_not_bring_back_what_was_removed(site: Site) -> None:
    site.commit = SECOND
    write_files(site.root, dict.fromkeys(ETL))
    (site.root / "flows/etl").rmdir()
    assert site.ship()["etl"].plan.action is Action.REMOVE
    assert site.heads() == {"etl": SECOND, "hello": SECOND}
    site.commit = FIRST
    write_files(site.root, ETL)
    assert isinstance(site.ship()["etl"].error, OrderError)
    assert set(images(site)) == {"hello/default"}
    site.commit = SECOND
    assert site.ship()["etl"].error is None
    assert set(images(site)) == {"hello/default", "etl/daily", "etl/weekly"}


def test_an_older_commit_that_lacks_a_flow_does_not_remove_it(site: Site) -> None:
    site.commit = SECOND
    site.ship()
    site.commit = FIRST
    write_files(site.root, dict.fromkeys(ETL))
    (site.root / "flows/etl").rmdir()
    outcome = site.ship()["etl"]
    assert (outcome.plan.action, type(outcome.error)) == (Action.REMOVE, OrderError)
    assert set(images(site)) == {"hello/default", "etl/daily", "etl/weekly"}


def test_a_flow_that_leaves_the_target_moves_its_head_too(site: Site) -> None:
    site.commit = SECOND
    both = REGISTRY.replace('name = "acme"\n', 'name = "acme"\ndefault-target = "local"\n')
    only_there = '[deployments.daily]\ntargets = ["production"]\n'
    write_files(
        site.root,
        {
            "registry.toml": f"{both}\n[targets.production]{PRODUCTION}",
            "flows/etl/flow.toml": only_there,
        },
    )
    assert site.ship()["etl"].plan.action is Action.REMOVE
    assert (set(images(site)), site.heads()["etl"]) == ({"hello/default"}, SECOND)
