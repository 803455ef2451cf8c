"""When a revision that AWS holds is the one that is wanted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from flowyard.aws.arns import Owner
from flowyard.aws.limits import definition_problem, overrides_problem
from flowyard.aws.task_definition import define, size_of
from flowyard.images import Digest, PublishedImage, Repository
from flowyard.target import EcsSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec
from flowyard.work_pools import task_definition

ROLE = "arn:aws:iam::123456789012:role/flows"
TARGET = Target(
    *("production", "ecr.eu-west-1", "{flow}", "pool", "ecs", PrefectChoice("http://x/api")),
    env={"B": "2", "A": "1"},
    secrets={"Z": "arn:z", "Y": "arn:y"},
    ecs=EcsSettings("eu-west-1", execution_role=ROLE, log_group="/flows", tags={"team": "data"}),
)
IMAGE = PublishedImage(Repository("registry.example", "etl"), Digest(f"sha256:{'a' * 64}"))
SETTINGS = task_definition(TARGET, DeploymentSpec("daily", "flow.py")) or {}
WANTED = define(SETTINGS, Owner("acme", "production", "etl", "daily", "1"), IMAGE, "k1", {"team": "data"})
TAGS = WANTED.request()["tags"]


def described() -> dict[str, Any]:
    """The revision as DescribeTaskDefinition answers it: with what nobody said, and in an order of its own."""
    found = copy.deepcopy(dict(WANTED.content))
    container = found["containerDefinitions"][0]
    for name in ("environment", "secrets"):
        container[name].reverse()
    container["logConfiguration"]["secretOptions"] = []
    container |= {"cpu": 0, "portMappings": [], "mountPoints": [], "volumesFrom": [], "systemControls": []}
    return {
        **found,
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/x:7",
        "family": WANTED.family,
        "revision": 7,
        "status": "ACTIVE",
        "volumes": [],
        "placementConstraints": [],
        "requiresAttributes": [{"name": "ecs.capability.task-eni"}],
        "compatibilities": ["EC2", "FARGATE"],
        "registeredAt": "2026-01-01",
        "registeredBy": "arn:aws:sts::123456789012:assumed-role/x/y",
        "enableFaultInjection": False,
    }


def test_what_aws_adds_does_not_count() -> None:
    assert WANTED.is_held_by(described(), TAGS)
    assert WANTED.is_held_by(described(), [*TAGS, {"key": "cost", "value": "1"}, {"key": "bare"}])


def of_the_container(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda found: change(found["containerDefinitions"][0])


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "image": of_the_container(lambda one: one.update(image="other")),
    "variable": of_the_container(lambda one: one["environment"][0].update(value="3")),
    "variable added": of_the_container(lambda one: one["environment"].append({"name": "C", "value": "3"})),
    "variable gone": of_the_container(lambda one: one["environment"].pop()),
    "secret": of_the_container(lambda one: one["secrets"][0].update(valueFrom="arn:x")),
    "no secrets": of_the_container(lambda one: one.pop("secrets")),
    "no init process": of_the_container(lambda one: one.pop("linuxParameters")),
    "log group": of_the_container(
        lambda one: one["logConfiguration"]["options"].update({"awslogs-group": "x"})
    ),
    "a port": of_the_container(lambda one: one["portMappings"].append({"containerPort": 80})),
    "not essential": of_the_container(lambda one: one.update(essential=False)),
    "second container": lambda found: found["containerDefinitions"].append({"name": "x", "image": "x"}),
    "role": lambda found: found.update(executionRoleArn="x"),
    "a role of its own": lambda found: found.update(taskRoleArn="x"),
    "memory": lambda found: found.update(memory="4096"),
    "volume": lambda found: found["volumes"].append({"name": "x"}),
    "something that AWS may add one day and that says something": lambda found: found.update(novelty="on"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_anybody_says_otherwise_counts(name: str) -> None:
    found = described()
    CHANGES[name](found)
    assert not WANTED.is_held_by(found, TAGS)


@pytest.mark.parametrize("changed", [[], TAGS[:-1], [*TAGS[:-1], {"key": "team", "value": "other"}]])
def test_our_tags_count(changed: list[dict[str, str]]) -> None:
    assert not WANTED.is_held_by(described(), changed)


def test_the_names_that_only_a_shipment_knows() -> None:
    (container,) = WANTED.content["containerDefinitions"]
    assert container["image"] == str(IMAGE)
    assert container["logConfiguration"]["options"]["awslogs-stream-prefix"] == "etl/daily"
    assert {tag["key"]: tag["value"] for tag in TAGS} == {
        "flowyard:project": "acme",
        "flowyard:target": "production",
        "flowyard:flow": "etl",
        "flowyard:deployment": "daily",
        "flowyard:key": "k1",
        "team": "data",
    }
    assert "image" not in SETTINGS["containerDefinitions"][0]  # the settings are as they were


def test_what_is_measured_is_what_is_sent() -> None:
    assert size_of({"a": "é"}) == len('{"a":"é"}'.encode())
    assert definition_problem({"env": "x" * 64_000}) is None
    text = definition_problem({"env": "x" * 65_000})
    assert text == "its task definition has 66034 bytes, and ECS takes 65536; shorten `env`"
    assert overrides_problem({"command": "x" * 4096}) is None
    assert overrides_problem({}) is overrides_problem({"command": None}) is None
    assert str(overrides_problem({"command": "x" * 4097})).startswith("`command` has 4097 characters")
