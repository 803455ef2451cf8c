"""Neutral settings as ECS work pools take them: whole values, of job variables and of task definitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowyard.target import BucketStorage, CapacityProvider, EcsSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec, Json, Resources
from flowyard.work_pools import job_variables, mapped, task_definition

ROLE = "arn:aws:iam::123456789012:role/"
LEAST = EcsSettings("eu-west-1")
WHOLE = EcsSettings(
    "eu-west-1",
    cluster="flows",
    execution_role=f"{ROLE}execution",
    task_role=f"{ROLE}task",
    capacity_providers=(CapacityProvider("FARGATE_SPOT", 3, 1),),
    vpc="vpc-1",
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
    public_ip=True,
    log_group="/flows",
    architecture="arm64",
    ephemeral_storage=30,
    exec=True,
)
TARGET = Target(
    "production", "ecr.eu-west-1", "{flow}", "pool", "ecs", PrefectChoice("http://x/api"), ecs=LEAST
)
DAILY = DeploymentSpec("daily", "flow.py")


def defined(target: Target, deployment: DeploymentSpec = DAILY) -> dict[str, Any]:
    found = task_definition(target, deployment)
    assert found is not None
    return found


def test_the_least() -> None:
    assert job_variables(TARGET, DAILY) == {
        "container_name": "prefect",
        "cpu": 1024,
        "memory": 2048,
        "launch_type": "FARGATE",
        "env": {},
    }
    assert defined(TARGET) == {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "cpu": "1024",
        "memory": "2048",
        "containerDefinitions": [
            {
                "name": "prefect",
                "essential": True,
                "linuxParameters": {"initProcessEnabled": True},
                "environment": [],
                "secrets": [],
            }
        ],
    }


def test_everything() -> None:
    target = replace(
        TARGET,
        ecs=WHOLE,
        results=BucketStorage("acme", "flows"),
        env={"A": "target", "B": "target", "PREFECT_X": "1"},
        secrets={"PREFECT_API_KEY": "arn:key", "PASSWORD": "arn:target"},
        job_variables={"labels": {"team": "data"}, "env": {"C": "own", "GONE": None}},
    )
    spec = replace(
        DAILY,
        resources=Resources(0.5, 1 << 30),
        env={"B": "flow"},
        secrets={"PASSWORD": "arn:flow"},
        job_variables={"cluster": "other"},
    )
    names = ("A", "AWS_REGION", "B", "C", "FLOWYARD_KEEP_ENV", "FLOWYARD_RESULTS", "GONE")
    assert job_variables(target, spec) == {
        "container_name": "prefect",
        "cluster": "other",
        "task_role_arn": f"{ROLE}task",
        "enable_execute_command": True,
        "cpu": 512,
        "memory": 1024,
        "capacity_provider_strategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}],
        "vpc_id": "vpc-1",
        "network_configuration": {
            "subnets": ["subnet-1", "subnet-2"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "ENABLED",
        },
        "labels": {"team": "data"},
        "env": dict.fromkeys((*names, "PASSWORD", "PREFECT_API_KEY", "PREFECT_X")),
    }
    values = {
        "A": "target",
        "AWS_REGION": "eu-west-1",
        "B": "flow",
        "C": "own",
        "FLOWYARD_KEEP_ENV": "PREFECT_API_KEY,PREFECT_X",
        "FLOWYARD_RESULTS": "s3://acme/flows",
        "PREFECT_X": "1",
    }
    assert defined(target, spec) == {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "cpu": "512",
        "memory": "1024",
        "executionRoleArn": f"{ROLE}execution",
        "taskRoleArn": f"{ROLE}task",
        "ephemeralStorage": {"sizeInGiB": 30},
        "containerDefinitions": [
            {
                "name": "prefect",
                "essential": True,
                "linuxParameters": {"initProcessEnabled": True},
                "environment": [{"name": name, "value": value} for name, value in values.items()],
                "secrets": [
                    {"name": "PASSWORD", "valueFrom": "arn:flow"},
                    {"name": "PREFECT_API_KEY", "valueFrom": "arn:key"},
                ],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-create-group": "true",
                        "awslogs-group": "/flows",
                        "awslogs-region": "eu-west-1",
                    },
                },
            }
        ],
    }


@pytest.mark.parametrize(("subnets", "mode"), [((), "bridge"), (("subnet-1",), "awsvpc")])
def test_on_instances_the_container_has_the_size(subnets: tuple[str, ...], mode: str) -> None:
    target = replace(TARGET, ecs=EcsSettings("eu-west-1", launch_type="EC2", subnets=subnets, vpc="vpc-1"))
    found = defined(target, replace(DAILY, resources=Resources(0.1, 300 << 20)))
    (container,) = found["containerDefinitions"]
    assert (container["cpu"], container["memory"]) == (102, 300)
    assert {"cpu", "memory"}.isdisjoint({*found, *job_variables(target, DAILY)})
    assert (found["networkMode"], found["requiresCompatibilities"]) == (mode, ["EC2"])
    assert job_variables(target, DAILY)["launch_type"] == "EC2"


def test_a_push_pool_gets_no_variables_that_are_not_to_be_set() -> None:
    """Its base job template takes text only, and no worker's own variables are in the way."""
    target = replace(TARGET, work_pool_type="ecs:push", env={"A": "1"}, secrets={"B": "arn:b"})
    assert job_variables(target, DAILY)["env"] == {}
    same = replace(target, work_pool_type="ecs")
    assert defined(target) == defined(same)
    assert {**job_variables(same, DAILY), "env": {}} == job_variables(target, DAILY)


@pytest.mark.parametrize("env", ["A=1", {"A": 1}, [], {"A": {"B": "C"}}])
def test_an_environment_of_a_wrong_type_is_left_for_the_work_pool_s_schema_to_refuse(env: Json) -> None:
    spec = replace(DAILY, job_variables={"env": env})
    assert job_variables(TARGET, spec) == {"env": env}
    assert defined(TARGET, spec)["containerDefinitions"][0]["environment"] == []


@pytest.mark.parametrize(
    "changed",
    [
        replace(TARGET, ecs=replace(LEAST, region="eu-west-2")),
        replace(TARGET, ecs=replace(LEAST, tags={"a": "b"})),
        replace(TARGET, secrets={"A": "arn:a"}),
        replace(TARGET, env={"A": "1"}),
        replace(TARGET, ecs=replace(LEAST, execution_role=ROLE)),
    ],
)
def test_whatever_changes_a_task_is_compared(changed: Target) -> None:
    assert mapped(changed, DAILY) != mapped(TARGET, DAILY)


def test_other_types_have_no_task_definition() -> None:
    docker = replace(TARGET, work_pool_type="docker", ecs=None)
    assert task_definition(docker, DAILY) is None
    assert mapped(docker, DAILY) == job_variables(docker, DAILY)
