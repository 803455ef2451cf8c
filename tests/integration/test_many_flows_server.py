"""What observing many flows asks of a real Prefect server."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.deployed import Deployments, read_anew, read_deployments
from flowyard.pipeline import plan_flows, ship
from flowyard.plan import Action
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import schedule_again
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.values import Json, PrefectAddress
from flowyard.yard import Yard
from tests.counting_proxy import Counter, counting_proxy
from tests.many_flows import Shape, many_flows, registry
from tests.support import lock, make_project
from tests.yard_site import Site

MANY = Shape(100, dependency_sets=5)
SENT = frozenset(
    {
        *("name", "entrypoint", "version", "description", "tags", "labels", "parameters"),
        *("parameter_openapi_schema", "enforce_parameter_schema", "pull_steps", "job_variables"),
        *("work_pool_name", "work_queue_name"),
    }
)


@pytest.fixture
def counted(prefect_api: str) -> Iterator[Counter]:
    """The Prefect server, behind a relay that counts."""
    with counting_proxy(prefect_api.split("/")[2]) as counter:
        yield counter


@dataclass(frozen=True)
class Many:
    """A hundred flows that were shipped to fakes; `yard` asks the real Prefect server."""

    site: Site
    yard: Yard
    api: PrefectApi

    def deploy(self, flows: frozenset[str]) -> None:
        """Copy what these flows registered to the real server: shipping them there takes minutes.

        Paused, which does not count: a server that makes runs of so many has its only writer busy (SQLite), and
        lets requests wait.
        """
        names = {identity: name for name, identity in self.site.server.flows.items()}
        for row in self.site.server.deployments.values():
            if row["labels"].get("flowyard.flow") in flows:  # pins of Docker tasks are nobody's own
                flow = self.api.request("POST", "/flows/", {"name": names[row["flow_id"]]})
                schedules = [{**schedule_again(one), "active": False} for one in row["schedules"]]
                kept = {key: value for key, value in row.items() if key in SENT}
                self.api.request(
                    "POST", "/deployments/", {**kept, "flow_id": flow["id"], "schedules": schedules}
                )

    def keep_head(self) -> None:
        """Copy the target's head."""
        key = artifact_key(self.yard.project.name, self.yard.target.name)
        *_, head = (one for one in self.site.server.artifacts if one["key"] == key)
        self.api.request("POST", "/artifacts/", _fields(head, "key", "type", "description", "data"))


def _fields(row: Mapping[str, Json], *names: str) -> dict[str, Json]:
    return {name: row[name] for name in names}


@pytest.fixture
def many(tmp_path: Path, prefect_api: str, counted: Counter) -> Many:
    """The repository, shipped to fakes. Its work pool is on the real server."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    api = PrefectRest(PrefectAddress(prefect_api))
    api.request("POST", "/work_pools/", {"name": name, "type": "docker"})
    text = registry(name).replace('name = "acme"', f'name = "{name}"')
    root = make_project(tmp_path / "many", {**many_flows(MANY), "registry.toml": text})
    shutil.rmtree(root / "flows/hello")
    lock(root)
    site = Site(root)
    site.server.pools[name] = site.server.pools["pool"]
    assert {str(one.error) for one in site.ship().values() if one.error is not None} == set()
    return Many(
        site, replace(site.yard(), api=PrefectRest(PrefectAddress(f"http://{counted.host}/api"))), api
    )


def test_a_real_server_is_asked_the_same_for_20_and_100_flows(many: Many, counted: Counter) -> None:
    flows = many.yard.project.flows
    seen = ["POST /api/deployments/filter"]
    many.keep_head()
    deployed = frozenset[str]()
    for number in (20, 100):
        wanted = frozenset(flow.name for flow in flows[:number])
        many.deploy(wanted - deployed)
        deployed = wanted
        counted.reset()
        made = plan_flows(many.yard, flows[:number])
        assert [flow.action for flow in made.flows] == [Action.UNCHANGED] * number
        assert counted.requests == seen
        counted.reset()
        outcomes = ship(many.yard, flows[:number], whole=number == len(flows))
        assert {(one.plan.action, one.error) for one in outcomes} == {(Action.UNCHANGED, None)}
        assert sorted(counted.requests) == sorted([*seen, "POST /api/artifacts/latest/filter"])
    what_is_read_again_is_what_changed(many, counted)


def what_is_read_again_is_what_changed(many: Many, counted: Counter) -> None:
    """Under a lease: one deployment was changed, then one was taken away and one is new."""
    api, project = many.yard.api, many.yard.project.name
    before = read_deployments(api, project)
    changed, gone = str(before[40]["id"]), str(before[60]["id"])
    api.request("PATCH", f"/deployments/{changed}", {"description": "changed"})
    api.request("DELETE", f"/deployments/{gone}")
    counted.reset()
    found = read_anew(api, project, before, {changed, gone})
    assert counted.requests == ["POST /api/deployments/filter"] * 2
    assert _by_id(found) == _by_id(read_deployments(api, project))
    sent = {key: value for key, value in before[0].items() if key in SENT}
    api.request("POST", "/deployments/", {**sent, "flow_id": before[0]["flow_id"], "name": "newest"})
    assert read_anew(api, project, before, {changed}) == read_deployments(api, project)


def _by_id(deployments: Deployments) -> dict[str, Json]:
    return {str(one["id"]): one for one in deployments}
