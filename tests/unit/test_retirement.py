"""Task definitions are retired when nothing names them any more, and never before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.aws.task_definition import ARN_VARIABLE
from flowyard.errors import AwsError
from flowyard.pipeline import ship
from flowyard.releasing.records import ReleaseRecord, record_artifact
from flowyard.runtime.names import PINS_ENV
from flowyard.yard import EcsSide
from tests.ecs_site import HELLO, REGISTRY, TWO, arns, ecs_site, records
from tests.fakes_aws import FakeTaskDefinitions
from tests.support import FLOW, write_files
from tests.yard_site import Site

OLD, NEW = FLOW, f"{FLOW}\nCHANGED = 1\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Shipped once, and changed since."""
    made = ecs_site(tmp_path / "project", {HELLO: "[deployments.daily]\n"})
    assert made.ship()["hello"].error is None
    write_files(made.root, {"flows/hello/flow.py": NEW})
    return made


def forget(site: Site) -> None:
    """Delete the flow's release records, as pruning does."""
    site.server.artifacts = [one for one in site.server.artifacts if "--hello" not in one["key"]]


def retired(site: Site) -> list[str]:
    return sorted(arn[-2:] for arn in site.definitions.retired)


def test_what_a_release_record_names_stays(site: Site) -> None:
    outcome = site.ship()["hello"]
    assert (outcome.error, outcome.notes, retired(site)) == (None, (), [])
    assert [next(iter(record.task_definitions.values()))[-2:] for record in records(site)] == [":1", ":2"]


def test_what_nothing_names_is_retired(site: Site) -> None:
    forget(site)
    assert site.ship()["hello"].notes == ()
    assert retired(site) == [":1"]
    assert arns(site)["hello/daily"].endswith(":2")


def test_what_any_deployment_of_the_server_names_stays(site: Site) -> None:
    forget(site)
    (row,) = site.server.deployments.values()
    copy = {**json.loads(json.dumps(row)), "id": "copied", "name": "of-somebody", "tags": [], "labels": {}}
    site.server.deployments["copied"] = copy
    site.ship("hello")
    assert retired(site) == []


def test_what_a_docker_task_is_pinned_to_stays(site: Site) -> None:
    image = records(site)[0].image
    forget(site)
    parent = ReleaseRecord(
        *("acme", "local", "parent", "k", "s", "registry.example/parent@sha256:1", None, False, (), "ada"),
        pinned={"hello": f"mirror.example/other@{image.partition('@')[2]}"},
    )
    site.server.request("POST", "/artifacts/", record_artifact(parent))
    site.ship("hello")
    assert retired(site) == []


def test_a_pin_of_another_target_is_none(site: Site) -> None:
    image = records(site)[0].image
    forget(site)
    parent = ReleaseRecord(
        *("acme", "other", "parent", "k", "s", "registry.example/parent@sha256:1", None, False, (), "ada"),
        pinned={"hello": image},
    )
    site.server.request("POST", "/artifacts/", record_artifact(parent))
    site.ship("hello")
    assert retired(site) == [":1"]


def test_what_a_ship_left_that_failed_is_retired_by_the_next(site: Site) -> None:
    site.server.refuse = lambda method, path, body: (
        "no" if (method, path) == ("POST", "/deployments/") else None
    )
    assert site.ship()["hello"].error is not None
    site.server.refuse = lambda method, path, body: None
    assert retired(site) == []
    write_files(site.root, {"flows/hello/flow.py": OLD + "\nOTHER = 2\n"})
    assert site.ship()["hello"].error is None
    assert (retired(site), arns(site)["hello/daily"][-2:]) == ([":2"], ":3")


def test_nothing_is_retired_when_the_ship_fails(site: Site) -> None:
    forget(site)
    site.server.refuse = lambda method, path, body: (
        "no" if (method, path) == ("POST", "/deployments/") else None
    )
    assert site.ship()["hello"].error is not None
    assert (retired(site), site.definitions.asked[-1]) == ([], "ready")


def test_what_a_removed_deployment_ran_is_retired_once_no_record_names_it(site: Site) -> None:
    write_files(site.root, {HELLO: TWO})
    site.ship()
    forget(site)
    write_files(site.root, {HELLO: "[deployments.daily]\n"})
    site.ship()
    weekly = [arn for arn in site.definitions.registered if "-weekly-" in arn]
    assert set(weekly) <= site.definitions.retired
    assert arns(site).keys() == {"hello/daily"}
    assert arns(site)["hello/daily"].rpartition(":")[2] == "2"


def test_what_a_removed_flow_ran_is_retired_once_no_record_names_it(site: Site) -> None:
    forget(site)
    (site.root / "flows/hello/flow.py").unlink()
    (site.root / HELLO).unlink()
    for file in (site.root / "flows/hello").iterdir():
        file.unlink()
    (site.root / "flows/hello").rmdir()
    outcome = site.ship()["hello"]
    assert (outcome.error, outcome.notes, retired(site)) == (None, (), [":1"])


class Failing(FakeTaskDefinitions):
    """What another one holds, but one question is refused."""

    def __init__(self, held: FakeTaskDefinitions, question: str) -> None:
        super().__init__()
        self.registered, self.retired = held.registered, held.retired
        self.question = question

    def _ask(self, question: str) -> None:
        if question == self.question:
            raise AwsError("AWS refused it")


@pytest.mark.parametrize("question", ["active", "images", "retire"])
def test_a_refusal_is_noted_and_the_flow_is_shipped(site: Site, question: str) -> None:
    forget(site)
    yard = site.yard()
    failing = Failing(site.definitions, question)
    yard = replace(yard, ecs=EcsSide(failing, site.secrets))
    (outcome,) = ship(yard, yard.project.flows, whole=True)
    assert outcome.error is None
    assert outcome.notes == ("old task definitions were not retired: AWS refused it",)
    assert (retired(site), arns(site)["hello/daily"][-2:]) == ([], ":2")


def test_a_server_that_does_not_say_is_noted_too(site: Site) -> None:
    forget(site)

    def refuse(method: str, path: str, body: object) -> str | None:
        wants_all = path == "/deployments/filter" and isinstance(body, dict) and "deployments" not in body
        return "busy" if wants_all else None

    site.server.refuse = refuse
    outcome = site.ship()["hello"]
    assert outcome.error is None
    assert outcome.notes == ("old task definitions were not retired: busy",)


def test_what_is_asked_when_every_revision_has_its_record(site: Site) -> None:
    """One look at AWS and one at the records: no more than that, ship after ship."""
    site.server.requests.clear()
    site.definitions.asked.clear()
    site.ship()
    assert site.definitions.asked == ["ready", "active"]
    asked = [body for _, path, body in site.server.requests if path == "/artifacts/filter"]
    assert [body["artifacts"]["key"] for body in asked] == [{"any_": ["flowyard--acme--local--hello"]}]
    assert [
        body
        for _, path, body in site.server.requests
        if path == "/deployments/filter" and not body.get("deployments")
    ] == []


CALLER = (
    FLOW.replace("hello", "caller").replace(
        "from prefect", "from flowyard import docker_task\nfrom prefect", 1
    )
    + '\n\nhello = docker_task("hello")\n'
)


def test_what_a_caller_was_shipped_with_stays_until_it_is_shipped_anew(tmp_path: Path) -> None:
    """The pins of a caller's Docker tasks are deployments, and its task definition holds which they are."""
    registry = REGISTRY.replace('order = "none"', 'order = "none"\nresults = "s3://acme-results/flows"')
    site = ecs_site(tmp_path / "project", {"registry.toml": registry, "flows/caller/flow.py": CALLER})
    assert {name: one.error for name, one in site.ship().items()} == {"caller": None, "hello": None}
    (request,) = (one for arn, one in site.definitions.registered.items() if "-caller-" in arn)
    variables = {one["name"]: one["value"] for one in request["containerDefinitions"][0]["environment"]}
    pinned = json.loads(variables[PINS_ENV])["hello"]
    assert {one["image"] for one in pinned.values()} == {records(site)[0].image}
    pins = {name: row for name, row in site.server.by_name().items() if "/pin-" in name}
    assert {row["job_variables"][ARN_VARIABLE] for row in pins.values()} == {
        arn for arn in site.definitions.registered if "-hello-" in arn
    }
    write_files(site.root, {"flows/hello/flow.py": NEW})
    forget(site)
    assert site.ship("hello")["hello"].error is None
    assert site.definitions.retired == set()
    site.server.deployments = {
        identity: row for identity, row in site.server.deployments.items() if row not in pins.values()
    }
    write_files(site.root, {"flows/hello/flow.py": f"{NEW}\nMORE = 1\n"})
    assert site.ship("hello")["hello"].error is None
    assert site.definitions.retired == set()  # the caller's record pins its image
    site.server.artifacts = [one for one in site.server.artifacts if "--caller" not in one["key"]]
    write_files(site.root, {"flows/hello/flow.py": f"{NEW}\nMORE = 2\n"})
    assert site.ship("hello")["hello"].error is None
    assert {arn for arn in site.definitions.registered if "-hello-" in arn and arn.endswith(":1")} == (
        site.definitions.retired
    )
