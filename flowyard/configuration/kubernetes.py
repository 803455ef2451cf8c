"""What does not fit together in a target whose jobs run on a Kubernetes cluster.

Every rule here is one that the cluster or the worker has anyway, and would say when a run starts, or never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flowyard.configuration.target_models import KubernetesTable, TargetTable
from flowyard.target import KubernetesSettings, Target
from flowyard.values import DeploymentSpec

Found = Iterator[tuple[str, str]]  # a key below the target or in flow.toml, and what is wrong with it

_TYPE = "kubernetes"
# Job variables that a setting takes the place of.
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "namespace": "kubernetes.namespace` of the target",
        "service_account_name": "kubernetes.service-account` of the target",
        "image_pull_secrets": "kubernetes.image-pull-secrets` of the target",
        "image_pull_policy": "kubernetes.pull-policy` of the target",
        "finished_job_ttl": "kubernetes.keep-jobs` of the target",
        "secrets": "secrets` of the deployment or the target",
    }
)


def kubernetes_of(target: TargetTable) -> KubernetesSettings | None:
    """How jobs of the target run, None where its work pool is of another type."""
    if target.work_pool.type != _TYPE:
        return None
    table = target.kubernetes or KubernetesTable()  # type: ignore[call-arg]
    return KubernetesSettings(
        namespace=table.namespace,
        service_account=table.service_account,
        image_pull_secrets=tuple(table.image_pull_secrets),
        pull_policy=table.pull_policy,
        labels=table.labels,
        keep_jobs=table.keep_jobs,
    )


def kubernetes_problems(target: TargetTable) -> Found:
    """What is wrong with a target by itself."""
    pool = target.work_pool.type
    if pool != _TYPE:
        if target.kubernetes is not None:
            yield _TYPE, f'is for work pools of type "{_TYPE}"; this one is "{pool}"'
        return
    for name, place in target.secrets.items():
        yield from _secret_problems(f"secrets.{name}", name, place, target.env)
    for name in sorted(_INSTEAD.keys() & target.job_variables.keys()):
        yield f"job-variables.{name}", f"is no job variable here; set `{_INSTEAD[name]}"
    if target.results is not None and target.results.startswith("volume:"):
        yield "results", 'pods share no Docker volume; use a bucket, as in "s3://acme-results/flows"'
    if target.registry.type == "embedded":
        yield (
            "registry",
            "a cluster cannot pull from the embedded registry on loopback; use type `ecr` or `oci`",
        )


def deployment_problems(deployment: DeploymentSpec, target: Target) -> Found:
    """What is wrong with a deployment on a Kubernetes target."""
    if target.kubernetes is None:
        return
    key = f"deployments.{deployment.name}"
    for name, place in deployment.secrets.items():
        for where, text in _secret_problems(
            f"{key}.secrets.{name}", name, place, {**target.env, **deployment.env}
        ):
            yield where, f"{text} (target {target.name})"
    for name in sorted((target.secrets.keys() - deployment.secrets.keys()) & deployment.env.keys()):
        yield f"{key}.env.{name}", f"is a secret of target {target.name}; keep one"
    for name in sorted(_INSTEAD.keys() & deployment.job_variables.keys()):
        yield f"{key}.job-variables.{name}", f"is no job variable here; set `{_INSTEAD[name]}"


def _secret_problems(key: str, name: str, place: str, env: Mapping[str, str]) -> Found:
    if place.startswith("arn:"):
        yield (
            key,
            "is an ARN, which a cluster does not know; write SECRET/KEY of its namespace, such as `database/password`",
        )
    if name in env:
        yield key, "is in `env` too; keep one"
