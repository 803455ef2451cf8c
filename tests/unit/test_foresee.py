"""Job variables are judged by `plan` as well, and nothing is asked for it where nothing would change."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError, RegistryError
from flowyard.pipeline import foresee, plan_flows
from flowyard.plan import Action
from tests.mistakes.configuration import HELLO
from tests.support import FLOW, lock, make_project, write_files
from tests.yard_site import Site

RIGHT = '[deployments.daily]\njob-variables = { mem_limit = "1g" }\n'
WRONG = '[deployments.daily]\njob-variables = { memlimit = "1g" }\n'
POOL = ("GET", "/work_pools/pool")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    root = make_project(tmp_path / "project", {HELLO: RIGHT})
    lock(root)
    return Site(root)


def planned(site: Site) -> list[tuple[str, str]]:
    """What `plan` asks of Prefect. Raises what it raises."""
    site.server.requests.clear()
    yard = site.yard()
    foresee(yard, plan_flows(yard, yard.project.flows, whole=True))
    return [(method, path) for method, path, _ in site.server.requests]


def test_a_plan_with_changes_asks_for_the_work_pool_once(site: Site) -> None:
    assert planned(site).count(POOL) == 1


def test_a_plan_without_job_variables_does_not_ask_for_it(site: Site) -> None:
    write_files(site.root, {HELLO: "[deployments.daily]\n"})
    assert POOL not in planned(site)


def test_nothing_more_is_asked_where_nothing_would_change(site: Site) -> None:
    site.ship()
    assert planned(site) == [("POST", "/deployments/filter")]
    site.server.requests.clear()
    site.ship()
    assert [path for _, path, _ in site.server.requests] == [
        "/deployments/filter",
        "/artifacts/latest/filter",
    ]


def test_a_plan_that_cannot_be_registered_says_so(site: Site) -> None:
    site.ship()
    write_files(site.root, {HELLO: WRONG})
    with pytest.raises(ConfigurationError) as caught:
        planned(site)
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        f"{HELLO}: deployments.daily.job-variables.memlimit: work pool pool has no such job variable "
        "(did you mean `mem_limit`?)"
    ]
    assert site.server.writes()[-1:] == []


UNKNOWN = '[deployments.daily]\nparameters = { dya = "today" }\n'


@pytest.mark.parametrize(
    "settings", [UNKNOWN, "[deployments.daily]\n[deployments.new]\nparameters = { dya = 1 }\n"]
)
def test_a_parameter_that_the_deployed_image_does_not_take_is_told_before_anything_is_built(
    site: Site, settings: str
) -> None:
    write_files(site.root, {"flows/etl/flow.py": FLOW})
    lock(site.root)
    site.ship()
    write_files(site.root, {HELLO: settings, "flows/etl/flow.py": f"{FLOW}# edited\n"})
    site.registry.failure = RegistryError("must not be asked of it")
    with pytest.raises(RegistryError):
        planned(site)  # of the other flow, whose image changed
    site.registry.failure = None
    with pytest.raises(ConfigurationError) as caught:
        planned(site)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{HELLO}: deployments.")
    assert "flow hello has no such parameter (did you mean `day`?); it has: day" in str(problem)
    outcomes = site.ship()
    assert (type(outcomes["hello"].error), outcomes["etl"].error) == (ConfigurationError, None)


def test_a_parameter_is_held_against_an_image_that_no_deployment_runs_any_more(site: Site) -> None:
    site.ship()
    before = (site.root / "flows/hello/flow.py").read_text()
    write_files(site.root, {"flows/hello/flow.py": f"{before}# edited\n"})
    site.ship()
    write_files(site.root, {"flows/hello/flow.py": before, HELLO: UNKNOWN})
    assert site.actions() == {"hello": Action.REUSE}
    with pytest.raises(ConfigurationError, match="has no such parameter"):
        planned(site)


def test_of_an_image_that_is_not_there_yet_nothing_is_foreseen(site: Site) -> None:
    write_files(site.root, {HELLO: UNKNOWN})
    planned(site)
