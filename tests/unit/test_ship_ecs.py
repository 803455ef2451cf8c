"""A ship to ECS: task definitions come before what names them, and are asked for only when something changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.aws.secrets import SecretLook
from flowyard.errors import AwsError, ConfigurationError, FlowyardError
from flowyard.pipeline import plan_flows
from flowyard.plan import Action
from tests.ecs_site import HELLO, REGISTRY, SECRET, TWO, arns, ecs_site, records
from tests.support import FLOW, write_files
from tests.yard_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return ecs_site(tmp_path / "project")


def error(site: Site) -> FlowyardError:
    found = site.ship()["hello"].error
    assert found is not None
    return found


def revisions(site: Site) -> list[str]:
    """All that were ever registered, as deployment and revision."""
    return [arn.rpartition("-")[0].rpartition("-")[2] + arn[-2:] for arn in site.definitions.registered]


def test_each_deployment_has_a_family_and_names_its_revision(site: Site) -> None:
    assert site.ship()["hello"].error is None
    named = arns(site)
    assert sorted(named) == ["hello/daily", "hello/weekly"]
    for name, short in named.items():
        deployment = name.partition("/")[2]
        assert short.startswith(f"flowyard-acme-local-hello-{deployment}-")
        assert short.endswith(":1")
    (record,) = records(site)
    assert {f"hello/{name}": arn.rpartition("/")[2] for name, arn in record.task_definitions.items()} == named


def test_the_task_definition_runs_the_image_by_digest(site: Site) -> None:
    outcome = site.ship()["hello"]
    for request in site.definitions.registered.values():
        assert request["containerDefinitions"][0]["image"] == str(outcome.image)
        tags = {tag["key"]: tag["value"] for tag in request["tags"]}
        assert tags["flowyard:key"] == (outcome.plan.desired.key if outcome.plan.desired else None)


def test_with_nothing_to_do_nothing_is_asked(site: Site) -> None:
    site.ship()
    site.definitions.asked.clear()
    site.secrets.asked.clear()
    assert site.ship()["hello"].plan.action is Action.UNCHANGED
    assert site.actions() == {"hello": Action.UNCHANGED}
    assert (site.definitions.asked, site.secrets.asked) == ([], [])


def test_a_plan_asks_nothing_of_aws_whatever_it_finds(site: Site) -> None:
    assert site.actions() == {"hello": Action.BUILD}
    assert (site.definitions.asked, site.secrets.asked) == ([], [])


REASONS = {
    "table": (
        {"registry.toml": REGISTRY.replace('"flows"\n', '"other"\n')},
        "targets.local.ecs changed",
    ),
    "tags": ({"registry.toml": REGISTRY + 'tags = { team = "data" }\n'}, "targets.local.ecs changed"),
    "secrets": (
        {"registry.toml": REGISTRY.replace(SECRET, SECRET.replace("db", "other"))},
        "targets.local.secrets changed",
    ),
    "secrets of a deployment": (
        {HELLO: TWO.replace("[deployments.weekly]", f'secrets = {{ B = "{SECRET}" }}\n[deployments.weekly]')},
        "deployments.daily.secrets changed",
    ),
    "resources": (
        {HELLO: f"{TWO}resources = {{ cpu = 2 }}\n"},
        "deployments.weekly.resources changed",
    ),
    "env": ({HELLO: f'{TWO}env = {{ A = "1" }}\n'}, "deployments.weekly.env changed"),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_has_changed_is_named_and_registered_anew(site: Site, name: str) -> None:
    site.ship()
    files, reason = REASONS[name]
    write_files(site.root, files)
    (flow,) = site.plan().flows
    assert (flow.action, flow.reasons) == (Action.REGISTER, (reason,))
    before = set(site.definitions.registered)
    assert site.ship()["hello"].error is None
    assert len(site.built()) == 1
    changed = 2 if name in ("secrets", "tags") else 1
    if name == "table":  # where a task runs is no part of what it is
        changed = 0
    assert len(set(site.definitions.registered) - before) == changed
    assert site.actions() == {"hello": Action.UNCHANGED}


def test_what_was_there_before_is_taken_again(site: Site) -> None:
    site.ship()
    first = arns(site)
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = 1\n"})
    site.ship()
    assert {arn[-2:] for arn in arns(site).values()} == {":2"}
    write_files(site.root, {"flows/hello/flow.py": FLOW})
    site.ship()
    assert (arns(site), len(site.definitions.registered)) == (first, 4)


def test_a_secret_that_is_not_there_is_told_before_anything_is_built(site: Site) -> None:
    site.secrets.looks = {SECRET: SecretLook(False, "there is no such secret in eu-west-1")}
    found = error(site)
    assert isinstance(found, ConfigurationError)
    assert [str(problem) for problem in found.problems] == [
        "registry.toml: targets.local.secrets.A_SECRET: there is no such secret in eu-west-1"
    ]
    assert (site.built(), site.definitions.asked, site.server.deployments) == ([], [], {})


def test_a_secret_of_a_deployment_is_told_where_it_is_named(site: Site) -> None:
    other = SECRET.replace("db", "other")
    write_files(site.root, {HELLO: f'{TWO}secrets = {{ A_SECRET = "{other}" }}\n'})
    site.secrets.looks = {other: SecretLook(False, "is marked for deletion, and cannot be read")}
    assert error(site).message.splitlines()[1:] == [
        f"  {HELLO}: deployments.weekly.secrets.A_SECRET: is marked for deletion, and cannot be read"
    ]
    assert site.secrets.asked == [SECRET, other]


def test_a_secret_that_may_not_be_looked_at_is_noted(site: Site) -> None:
    site.secrets.looks = {SECRET: SecretLook(None, "AWS refused it")}
    outcome = site.ship()["hello"]
    assert (outcome.error, len(outcome.deployments)) == (None, 2)
    assert outcome.notes == (f"whether {SECRET} is there is not known: AWS refused it",)


def test_when_aws_refuses_nothing_is_registered(site: Site) -> None:
    site.definitions.failure = AwsError("no")
    assert error(site) is site.definitions.failure
    assert (site.server.deployments, records(site)) == ({}, [])
    site.definitions.failure = None
    assert site.ship()["hello"].error is None
    assert len(site.built()) == 1  # the image was published; only the rest is done now


def test_when_prefect_refuses_the_next_ship_takes_what_was_registered(site: Site) -> None:
    site.server.refuse = lambda method, path, body: (
        "no" if (method, path) == ("POST", "/deployments/") else None
    )
    error(site)
    assert (site.server.deployments, revisions(site)) == ({}, ["daily:1", "weekly:1"])
    site.server.refuse = lambda method, path, body: None
    assert site.ship()["hello"].error is None
    assert revisions(site) == ["daily:1", "weekly:1"]


def test_what_somebody_changed_in_the_ui_is_put_right(site: Site) -> None:
    site.ship()
    row = site.server.by_name()["hello/daily"]
    row["job_variables"]["task_definition_arn"] = "arn:aws:ecs:eu-west-1:123456789012:task-definition/other:1"
    (flow,) = site.plan().flows
    assert flow.reasons == ("deployment daily was changed outside of Flowyard",)
    site.ship()
    assert arns(site)["hello/daily"].endswith(":1")
    assert arns(site)["hello/daily"].startswith("flowyard-")


def test_another_server_with_the_same_names_shares_no_family(site: Site, tmp_path: Path) -> None:
    site.ship()
    other = ecs_site(tmp_path / "other")
    other.definitions = site.definitions
    other.server.pools["pool"]["id"] = "pool-2"
    other.ship()
    assert set(arns(site).values()).isdisjoint(arns(other).values())


def test_a_work_pool_that_does_nothing_with_a_task_definition_is_refused(site: Site) -> None:
    template = site.server.pools["pool"]["base_job_template"]
    configuration = {**template["job_configuration"], "task_definition_arn": "always:1"}
    site.server.pools["pool"]["base_job_template"] = {**template, "job_configuration": configuration}
    assert error(site).message.splitlines()[1:] == [
        "  registry.toml: targets.local.work-pool: work pool pool takes `task_definition_arn` and does nothing "
        "with it: its base job template lacks {{ task_definition_arn }}; add it there, or name another work pool"
    ]


@pytest.mark.parametrize(("platform", "fits"), [("linux/amd64/v2", True), ("linux/arm64", False)])
def test_the_platform_of_a_machine_that_the_files_do_not_name(site: Site, platform: str, fits: bool) -> None:
    """What they name is judged when they are read; the rest only where it would be built."""
    yard = site.yard()
    (flow,) = yard.project.flows
    flow = replace(flow, platforms=(platform,))
    if fits:
        assert [one.action for one in plan_flows(yard, [flow]).flows] == [Action.BUILD]
        return
    with pytest.raises(ConfigurationError) as caught:
        plan_flows(yard, [flow])
    assert [str(problem) for problem in caught.value.problems] == [
        f"{HELLO}: platforms: linux/arm64 cannot run on target local, whose tasks have "
        'ecs.architecture = "x86_64"; set platforms = ["linux/amd64"]'
    ]
