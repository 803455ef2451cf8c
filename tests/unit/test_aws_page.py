"""docs/aws.md says what the code does: its keys, names, versions and files belong together."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from flowyard.aws.options import PolicyOptions
from flowyard.aws.policies import roles_of
from flowyard.aws.policy_files import json_files, terraform_files
from flowyard.aws.site import Site, events_queue, site_of
from flowyard.configuration.models import RegistryFile
from flowyard.configuration.parse import parse_content
from flowyard.configuration.target_models import EcrRegistryTable, EcsTable
from flowyard.configuration.targets import target_problems, targets_of
from flowyard.values import Json, Project
from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs/aws.md").read_text(encoding="utf-8")
OPTIONS = PolicyOptions(github="acme/flows", environment="production")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def commands() -> str:
    return "\n".join(blocks("sh")).replace("\\\n", "")


@cache
def example() -> Site:
    """What the page's registry.toml comes to, which has no problems."""
    (text,) = blocks("toml")
    registry, problems = parse_content(text.encode(), "registry.toml", RegistryFile)
    assert (problems, registry is None) == ((), False)
    assert registry is not None
    targets = targets_of(registry)
    assert list(target_problems(registry, targets)) == []
    name = registry.project.default_target
    return site_of(Project(registry.project.name, Path(), (), targets, name), targets[name], OPTIONS)


@cache
def files() -> dict[str, Json]:
    return {name: json.loads(text) for name, text in json_files(roles_of(example(), OPTIONS)).items()}


@pytest.mark.parametrize(("model", "table"), [(EcsTable, "ecs"), (EcrRegistryTable, "registry")])
def test_every_key_is_explained(model: type[BaseModel], table: str) -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(rf"`{table}\.([^`]+)`", cell)}
    keys = {field.alias or name for name, field in model.model_fields.items()} - {"type"}
    assert named == keys


def test_policies_are_asked_for_as_they_can_be() -> None:
    asked = re.findall(r"python build.py policies (.*)", commands())
    words = {option for line in asked for option in re.findall(r"--[a-z-]+", line)}
    assert len(asked) == 2
    assert words == {"--target", "--github", "--environment", "--terraform", "--output"}
    assert list(terraform_files(example(), roles_of(example(), OPTIONS))) == ["flowyard-production.tf"]


def test_roles_are_made_by_the_names_that_the_policies_mean() -> None:
    """The loop of the page, said again."""
    made = re.search(r"for role in ([a-z ]+); do", commands())
    assert made is not None
    named = {role.key: role.name for role in roles_of(example(), OPTIONS) if role.trust}
    assert named == {
        role: f"acme-flows-{role}" if role in ("execution", "task") else f"acme-flows-production-{role}"
        for role in made[1].split()
    }
    written = {f"{role}.{kind}.json" for role in named for kind in ("trust", "policy")}
    assert written | {"run.policy.json"} == set(files())


def test_queue_is_the_one_that_the_worker_may_read() -> None:
    queue = events_queue(example().target)
    assert f"\nQUEUE={queue} " in commands()
    (hears,) = [one for one in files()["worker.policy.json"]["Statement"] if one["Sid"] == "HearOfTasks"]
    assert hears["Resource"] == [f"arn:aws:sqs:eu-west-1:123456789012:{queue}"]


def test_worker_s_task_definition_fits_to_the_rest() -> None:
    (text,) = blocks("json")
    definition = json.loads(text)
    (container,) = definition["containerDefinitions"]
    env = {one["name"]: one["value"] for one in container["environment"]}
    roles = {
        role.key: example().place.iam(f"role{role.path}{role.name}") for role in roles_of(example(), OPTIONS)
    }
    assert (definition["executionRoleArn"], definition["taskRoleArn"]) == (
        roles["execution"],
        roles["worker"],
    )
    assert env["PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME"] == events_queue(example().target)
    assert container["command"][3:] == ["--pool", example().target.work_pool, "--type", "ecs"]
    assert {one["valueFrom"] for one in container["secrets"]} <= set(example().secrets)
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/flows/production"
    host, _, image = container["image"].partition("/")
    repositories = [arn.partition(":repository/")[2] for arn in example().repositories]
    assert (host, repositories) == ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ["flows/*"])
    assert image.startswith("flows/prefect.worker:")


def test_versions_are_those_that_are_locked() -> None:
    lock = (REPOSITORY / "requirements/dev.lock").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(prefect(?:-aws)?==[0-9.]+[0-9])", PAGE))
    assert {name.partition("=")[0] for name in named} == {"prefect", "prefect-aws"}
    assert {name for name in named if f"\n{name} \\\n" not in lock} == set()
