"""Neutral settings -> the job variables of each work-pool type: one module each.

A new type is one file with these functions and one line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowyard.target import Target
from flowyard.values import DeploymentSpec, Json
from flowyard.work_pools import docker, ecs, ecs_template, kubernetes, kubernetes_template


@dataclass(frozen=True, slots=True)
class WorkPoolType:
    """What a type of work pool knows: its job variables, the base job template of a new pool, and, where tasks
    are defined before they run, the settings of a deployment's task definition."""

    job_variables: Callable[[Target, DeploymentSpec], dict[str, Json]]
    base_job_template: Callable[[], Mapping[str, Json]]
    task_definition: Callable[[Target, DeploymentSpec], dict[str, Json]] | None = None


WORK_POOL_TYPES: Mapping[str, WorkPoolType] = MappingProxyType(
    {
        "docker": WorkPoolType(docker.job_variables, docker.base_job_template),
        "ecs": WorkPoolType(ecs.job_variables, ecs_template.base_job_template, ecs.task_definition),
        "ecs:push": WorkPoolType(ecs.job_variables, ecs_template.push_base_job_template, ecs.task_definition),
        "kubernetes": WorkPoolType(kubernetes.job_variables, kubernetes_template.base_job_template),
    }
)


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """The deployment's job variables on this target, all but the image and the task definition's ARN."""
    return WORK_POOL_TYPES[target.work_pool_type].job_variables(target, deployment)


def task_definition(target: Target, deployment: DeploymentSpec) -> dict[str, Json] | None:
    """The deployment's task definition on this target, all but what only its registration knows. None where
    the type has none."""
    settings = WORK_POOL_TYPES[target.work_pool_type].task_definition
    return None if settings is None else settings(target, deployment)


def mapped(target: Target, deployment: DeploymentSpec) -> Json:
    """All that the deployment's settings become on this target, to be compared."""
    variables, definition = job_variables(target, deployment), task_definition(target, deployment)
    if definition is None:
        return variables
    # Another region has none of this one's task definitions.
    region = target.ecs.region if target.ecs else None
    tags = dict(target.ecs.tags) if target.ecs else {}
    return [variables, definition, region, tags]


def base_job_template(work_pool_type: str) -> Mapping[str, Json]:
    """The base job template that a new work pool of this type gets."""
    return WORK_POOL_TYPES[work_pool_type].base_job_template()
