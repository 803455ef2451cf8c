"""Neutral settings -> the job variables of each work-pool type: one module each.

A new type is one file with these two functions and one line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowyard.target import Target
from flowyard.values import DeploymentSpec, Json
from flowyard.work_pools import docker


@dataclass(frozen=True, slots=True)
class WorkPoolType:
    """What a type of work pool knows: its job variables, and the base job template of a new pool."""

    job_variables: Callable[[Target, DeploymentSpec], dict[str, Json]]
    base_job_template: Callable[[], Mapping[str, Json]]


WORK_POOL_TYPES: Mapping[str, WorkPoolType] = MappingProxyType(
    {"docker": WorkPoolType(docker.job_variables, docker.base_job_template)}
)


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """The deployment's job variables on this target, all but the image."""
    return WORK_POOL_TYPES[target.work_pool_type].job_variables(target, deployment)


def base_job_template(work_pool_type: str) -> Mapping[str, Json]:
    """The base job template that a new work pool of this type gets."""
    return WORK_POOL_TYPES[work_pool_type].base_job_template()
