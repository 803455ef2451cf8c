"""Job variables, task definition and base job template of ECS work pools.

All that decides what a task is stands in a task definition that is registered when the flow is shipped; the job
variables say which one, and where it runs. So the worker registers nothing, and nothing of the environment is in
the request that starts a task, where it would be read by whoever may look at tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from flowyard.aws.sizes import TaskSize, task_size
from flowyard.aws.task_definition import CONTAINER
from flowyard.target import EcsSettings, Target
from flowyard.values import DeploymentSpec, Json
from flowyard.work_pools.environment import run_environment

_ARCHITECTURES = {"x86_64": "X86_64", "arm64": "ARM64"}


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """What prefect-aws's base job template knows, from the neutral settings and the user's own.

    Not in it: the task definition's ARN. What a work pool may have a default of is said here as well, or the
    default would override the task definition.
    """
    ecs, own = _settings(target), _own(target, deployment)
    if not _is_environment(own.get("env", {})):
        return own  # it is refused with the work pool's own schema, which says what is wrong
    variables: dict[str, Json] = {"container_name": CONTAINER}
    if ecs.cluster:
        variables["cluster"] = ecs.cluster
    if ecs.task_role:
        variables["task_role_arn"] = ecs.task_role
    if ecs.exec:
        variables["enable_execute_command"] = True
    if _on_fargate(ecs):
        size = _size(ecs, deployment)
        variables |= {"cpu": size.cpu, "memory": size.memory}
    variables |= _place(ecs) | own
    variables["env"] = _unset(target, deployment)
    return variables


def task_definition(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """All of the deployment's task definition but its family, its image and what their names give."""
    ecs, own = _settings(target), _own(target, deployment)
    fargate = _on_fargate(ecs)
    definition: dict[str, Json] = {
        "requiresCompatibilities": ["FARGATE" if fargate else "EC2"],
        "networkMode": "awsvpc" if fargate or ecs.subnets else "bridge",
        "runtimePlatform": {
            "cpuArchitecture": _ARCHITECTURES[ecs.architecture],
            "operatingSystemFamily": "LINUX",
        },
    }
    size = _size(ecs, deployment)
    if fargate:
        definition |= {"cpu": str(size.cpu), "memory": str(size.memory)}
    if ecs.execution_role:
        definition["executionRoleArn"] = ecs.execution_role
    if ecs.task_role:
        definition["taskRoleArn"] = ecs.task_role
    if ecs.ephemeral_storage is not None:
        definition["ephemeralStorage"] = {"sizeInGiB": ecs.ephemeral_storage}
    env = own.get("env", {})
    container = _container(
        ecs, run_environment(target, deployment, _set(env)), {**target.secrets, **deployment.secrets}
    )
    if not fargate:
        container |= {"cpu": size.cpu, "memory": size.memory}
    return {**definition, "containerDefinitions": [container]}


def _container(ecs: EcsSettings, env: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, Json]:
    container: dict[str, Json] = {
        "name": CONTAINER,
        "essential": True,
        # Without an init process a task ignores SIGTERM, and is killed where it could have been cancelled.
        "linuxParameters": {"initProcessEnabled": True},
        "environment": [{"name": name, "value": value} for name, value in sorted(env.items())],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in sorted(secrets.items())],
    }
    if ecs.log_group:
        options = {
            "awslogs-create-group": "true",
            "awslogs-group": ecs.log_group,
            "awslogs-region": ecs.region,
        }
        container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    return container


def _place(ecs: EcsSettings) -> dict[str, Json]:
    """Where a task runs."""
    place: dict[str, Json] = {}
    if ecs.capacity_providers:
        place["capacity_provider_strategy"] = [
            {"capacityProvider": one.name, "weight": one.weight, "base": one.base}
            for one in ecs.capacity_providers
        ]
    else:
        place["launch_type"] = ecs.launch_type
    if ecs.vpc:
        place["vpc_id"] = ecs.vpc
    if ecs.subnets:
        place["network_configuration"] = {
            "subnets": list(ecs.subnets),
            "securityGroups": list(ecs.security_groups),
            "assignPublicIp": "ENABLED" if ecs.public_ip else "DISABLED",
        }
    return place


def _unset(target: Target, deployment: DeploymentSpec) -> dict[str, None]:
    """The variables of the task definition, as not to be set when a task starts.

    A value there would win, and the worker has some of its own: its API key, its log level, what the work pool
    has as a default. Prefect Cloud's push pools, which have no worker, take no such entries.
    """
    if target.work_pool_type != "ecs":
        return {}
    own = _own(target, deployment).get("env", {})
    env = run_environment(target, deployment, _set(own))
    return dict.fromkeys(sorted({*env, *own, *target.secrets, *deployment.secrets}))


def _own(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    return {**target.job_variables, **deployment.job_variables}


def _is_environment(value: Json) -> TypeGuard[dict[str, str | None]]:
    return isinstance(value, dict) and all(one is None or isinstance(one, str) for one in value.values())


def _set(env: Json) -> dict[str, str]:
    """The variables that are given a value; None unsets one that the work pool gives."""
    if not _is_environment(env):
        return {}
    return {name: value for name, value in env.items() if value is not None}


def _size(ecs: EcsSettings, deployment: DeploymentSpec) -> TaskSize:
    return task_size(deployment.resources, fargate=_on_fargate(ecs))


def _on_fargate(ecs: EcsSettings) -> bool:
    return ecs.launch_type == "FARGATE"


def _settings(target: Target) -> EcsSettings:
    if target.ecs is None:
        raise ValueError(f"target {target.name} has no settings of ECS")
    return target.ecs
