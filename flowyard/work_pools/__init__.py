"""Neutral settings -> the job variables of each work-pool type: one module each.

A new type is one file with a `job_variables` function and one line in this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flowyard.values import DeploymentSpec, Json, Target
from flowyard.work_pools import docker

JobVariables = Callable[[Target, DeploymentSpec], dict[str, Json]]

WORK_POOL_TYPES: Mapping[str, JobVariables] = MappingProxyType({"docker": docker.job_variables})


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """The deployment's job variables on this target, all but the image."""
    return WORK_POOL_TYPES[target.work_pool_type](target, deployment)
