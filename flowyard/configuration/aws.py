"""The AWS parts of a target -> `EcrSettings` and `EcsSettings`, and what is wrong between them.

What one table cannot know about itself: an ECS task shares no volume with this machine, and a docker pool knows
no secret by ARN.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowyard.aws.ecr_hosts import account_and_region
from flowyard.configuration.ecs import ecs_problems
from flowyard.configuration.target_models import EcrRegistryTable, EcsTable, TargetTable
from flowyard.target import CapacityProvider, EcrSettings, EcsSettings
from flowyard.texts import show


def ecr_of(table: EcrRegistryTable) -> EcrSettings:
    """The settings of an ECR registry."""
    return EcrSettings(
        region=table.region,
        account=table.account,
        create=table.create,
        immutable=table.immutable,
        scan_on_push=table.scan_on_push,
        encryption_key=table.encryption_key,
        expire_untagged_days=table.expire_untagged_days,
        tags=table.tags,
        dual_stack=table.dual_stack,
        fips=table.fips,
    )


def ecs_of(target: TargetTable) -> EcsSettings | None:
    """How tasks of the target run, None where its work pool is of another type."""
    if not _is_ecs(target):
        return None
    table = target.ecs or EcsTable()  # type: ignore[call-arg]
    return EcsSettings(
        region=_region(target) or "",
        cluster=table.cluster,
        execution_role=table.execution_role,
        task_role=table.task_role,
        launch_type=table.launch_type,
        capacity_providers=tuple(
            CapacityProvider(one.name, one.weight, one.base) for one in table.capacity_providers
        ),
        vpc=table.vpc,
        subnets=tuple(table.subnets),
        security_groups=tuple(table.security_groups),
        public_ip=table.public_ip,
        log_group=table.log_group,
        architecture=table.architecture,
        ephemeral_storage=table.ephemeral_storage,
        exec=table.exec,
        tags=table.tags,
    )


def aws_problems(target: TargetTable) -> Iterator[tuple[str, str]]:
    """What does not fit together, as (key below the target, text)."""
    pool = target.work_pool.type
    if not _is_ecs(target):
        if target.ecs is not None:
            yield "ecs", f'is for work pools of type "ecs" and "ecs:push"; this one is "{pool}"'
        if target.secrets and pool != "kubernetes":
            yield "secrets", f'a work pool of type "{pool}" cannot hand a secret to a run; remove it'
        return
    region = _region(target)
    if region is None:
        yield "ecs.region", 'is missing; name the cluster\'s region, as in region = "eu-west-1"'
    else:
        yield from ecs_problems(target, region)
    if target.results is not None and target.results.startswith("volume:"):
        yield "results", 'ECS tasks share no Docker volume; use a bucket, as in "s3://acme-results/flows"'
    if target.registry.type == "embedded":
        yield "registry", "ECS cannot pull from the embedded registry on loopback; use type `ecr` or `oci`"


def ecr_problem(table: EcrRegistryTable) -> tuple[str, str] | None:
    """What is wrong with an ECR registry by itself, as (key below the registry, text)."""
    host, slash, name = table.repository.removeprefix("https://").partition("/")
    owner = account_and_region(host)
    if owner is not None or "://" in table.repository:
        better = show(name if slash else "flows/{flow}")
        text = f"{show(table.repository)} has a host; write the name only, as in {better}: ECR's API tells the host"
        if owner is not None and owner[0] != table.account:
            text += f'. If account {owner[0]} is not the one that ships, add account = "{owner[0]}"'
        return "repository", text
    if table.expire_untagged_days is not None and not table.immutable:
        text = "needs immutable = true: a tag that moves leaves the image that runs without one, and it would expire"
        return "expire-untagged-days", text
    return None


def _is_ecs(target: TargetTable) -> bool:
    return target.work_pool.type.partition(":")[0] == "ecs"


def _region(target: TargetTable) -> str | None:
    if target.ecs is not None and target.ecs.region is not None:
        return target.ecs.region
    return target.registry.region if isinstance(target.registry, EcrRegistryTable) else None
