"""Job variables of Kubernetes work pools.

The worker makes the job's manifest of them and of the pool's template, when a run starts.
"""

from __future__ import annotations

from flowyard.target import KubernetesSettings, Target
from flowyard.values import DeploymentSpec, Json
from flowyard.work_pools.environment import run_environment


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """What the base job template knows, from the neutral settings and the user's own."""
    own = {**target.job_variables, **deployment.job_variables}
    if any(not isinstance(own.get(name, {}), dict) for name in ("env", "labels")):
        return own  # it is refused with the work pool's own schema, which says what is wrong
    settings = target.kubernetes or KubernetesSettings()
    secrets = {**target.secrets, **deployment.secrets}
    variables: dict[str, Json] = {
        "namespace": settings.namespace,
        "image_pull_policy": settings.pull_policy,
        "finished_job_ttl": settings.keep_jobs,
        **_resources(deployment),
    }
    if settings.service_account is not None:
        variables["service_account_name"] = settings.service_account
    if settings.image_pull_secrets:
        variables["image_pull_secrets"] = [{"name": name} for name in settings.image_pull_secrets]
    if secrets:
        variables["secrets"] = [_from_secret(name, place) for name, place in sorted(secrets.items())]
    labels = {**settings.labels, **own.pop("labels", {})}
    if labels:
        variables["labels"] = labels
    # The worker's own value of such a variable (an API key) would win over the secret: it is unset.
    env = {**run_environment(target, deployment, own.pop("env", {})), **dict.fromkeys(sorted(secrets))}
    return {**variables, **own, "env": env}


def _resources(deployment: DeploymentSpec) -> dict[str, Json]:
    """Asked for and allowed are the same: a node gives what a run may use, and Fargate sizes by what is asked for."""
    cpu, memory = deployment.resources.cpu, deployment.resources.memory
    found: dict[str, Json] = {}
    if cpu is not None:
        found |= dict.fromkeys(("cpu_request", "cpu_limit"), f"{max(1, round(cpu * 1000))}m")
    if memory is not None:
        found |= dict.fromkeys(("memory_request", "memory_limit"), str(memory))
    return found


def _from_secret(name: str, place: str) -> dict[str, Json]:
    secret, _, key = place.partition("/")
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
