"""What does not fit together in a target whose tasks run on Amazon ECS.

Every rule here is one that AWS or prefect-aws has anyway, and would say when a task definition is registered, when a
task is started, or never: a task that finds no network waits until it is given up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from flowyard.aws.arns import parse_arn
from flowyard.aws.secrets import secret_problem
from flowyard.configuration.target_models import (
    CapacityProviderTable,
    EcrRegistryTable,
    EcsTable,
    TargetTable,
)

Found = Iterator[tuple[str, str]]  # a key below the target, and what is wrong with it

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
_MOST_SUBNETS, _MOST_GROUPS = 16, 5
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
_MOST_PROVIDERS = 20
_FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html; seven are Flowyard's own.
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG = 43, 128, 256
_TAG = re.compile(r"[\w .:/=+@-]*")
_RESERVED_TAGS = ("aws:", "flowyard:")
# Job variables of prefect-aws that a registered task definition makes void, and what takes their place.
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "task_definition_arn": "is the flow's own task definition, which shipping registers; remove it",
        "family": "is for task definitions that a worker registers; remove it, each deployment has its own family",
        "container_name": "is for task definitions that a worker registers; remove it",
        "auto_deregister_task_definition": "is for task definitions that a worker registers; remove it",
        "match_latest_revision_in_family": "is for task definitions that a worker registers; remove it",
        **dict.fromkeys(("cpu", "memory"), "is no job variable here; set `resources` of the deployment"),
        **{
            variable: f"is no job variable here; set `ecs.{key}` of the target"
            for variable, key in (
                ("execution_role_arn", "execution-role"),
                ("task_role_arn", "task-role"),
                ("launch_type", "launch-type"),
                ("capacity_provider_strategy", "capacity-providers"),
                ("vpc_id", "vpc"),
                ("network_configuration", "subnets` and `ecs.security-groups"),
                ("configure_cloudwatch_logs", "log-group"),
                ("cloudwatch_logs_options", "log-group"),
                ("cloudwatch_logs_prefix", "log-group"),
                ("runtime_platform", "architecture"),
                ("ephemeral_storage", "ephemeral-storage"),
                ("enable_execute_command", "exec"),
            )
        },
        "secrets": "is no job variable here; set `secrets` of the deployment or the target",
        "prefect_api_key_secret_arn": "is no job variable here; set `secrets.PREFECT_API_KEY`",
        "prefect_api_auth_string_secret_arn": "is no job variable here; set `secrets.PREFECT_API_AUTH_STRING`",
    }
)


def ecs_problems(target: TargetTable, region: str) -> Found:
    """What is wrong with the target's settings of ECS, where it has a region."""
    table = target.ecs or EcsTable()  # type: ignore[call-arg]
    yield from _role_problems(target, table)
    yield from _network_problems(table)
    yield from _provider_problems(table)
    yield from _tag_problems(table.tags)
    if table.ephemeral_storage is not None and table.launch_type != "FARGATE":
        yield (
            "ecs.ephemeral-storage",
            "is the disk of a Fargate task; remove it, on EC2 the instance has the disk",
        )
    if table.cluster is not None and table.cluster.startswith("arn:"):
        yield from _cluster_problem(table.cluster, region)
    for name, arn in target.secrets.items():
        text = secret_problem(arn, region)
        if text is not None:
            yield f"secrets.{name}", text
        if name in target.env:
            yield f"secrets.{name}", "is in `env` too; keep one, ECS takes no name twice"
    for name in void_job_variables(target.job_variables):
        yield f"job-variables.{name}", why_void(name)


def void_job_variables(job_variables: Mapping[str, object]) -> Sequence[str]:
    """Those that a task definition which is registered when shipping makes void."""
    return [name for name in job_variables if name in _INSTEAD]


def why_void(job_variable: str) -> str:
    """What to do instead of setting one of them."""
    return _INSTEAD[job_variable]


def _role_problems(target: TargetTable, table: EcsTable) -> Found:
    """Who needs a role: ECS itself, before the container starts, and the flow in it."""
    needs = {
        "ecs.log-group": table.log_group is not None and "ECS writes logs as that role",
        "secrets": bool(target.secrets) and "ECS reads secrets as that role",
        "registry": isinstance(target.registry, EcrRegistryTable)
        and table.launch_type == "FARGATE"
        and "Fargate pulls from ECR as that role",
    }
    for key, why in needs.items():
        if why and table.execution_role is None:
            yield key, f"needs `ecs.execution-role`: {why}"
    if table.exec and table.task_role is None:
        yield "ecs.exec", "needs `ecs.task-role`: a session is opened as that role"


def _network_problems(table: EcsTable) -> Found:
    if table.subnets and table.vpc is None:
        yield "ecs.subnets", "need `ecs.vpc`, the VPC they are in: prefect-aws takes them only together"
    if len(table.subnets) > _MOST_SUBNETS:
        yield "ecs.subnets", f"are {len(table.subnets)}, and a task takes {_MOST_SUBNETS}"
    if len(table.security_groups) > _MOST_GROUPS:
        yield "ecs.security-groups", f"are {len(table.security_groups)}, and a task takes {_MOST_GROUPS}"
    if table.security_groups and not table.subnets:
        yield "ecs.security-groups", "need `ecs.subnets`: prefect-aws takes them only together"
    if table.launch_type == "EC2":
        if table.public_ip:
            yield "ecs.public-ip", "is for Fargate; on EC2 a task's own network has no public address"
        if table.vpc is not None and not table.subnets:
            yield (
                "ecs.vpc",
                "needs `ecs.subnets` on EC2, where tasks without them have the instance's network",
            )
    elif table.public_ip and not table.subnets:
        yield "ecs.public-ip", "needs `ecs.subnets`; without them tasks have a public address anyway"


def _provider_problems(table: EcsTable) -> Found:
    providers, key = table.capacity_providers, "ecs.capacity-providers"
    names = [one.name for one in providers]
    foreign = [name for name in names if (name in _FARGATE_PROVIDERS) != (table.launch_type == "FARGATE")]
    for name in dict.fromkeys(foreign):
        other = "EC2" if table.launch_type == "FARGATE" else "FARGATE"
        text = f'"{name}" runs tasks on {_runs_on(name)}; set `ecs.launch-type = "{other}"`, or name another'
        yield key, text
    for name in {name for name in names if names.count(name) > 1}:
        yield key, f'name "{name}" twice; join the entries'
    if len(providers) > _MOST_PROVIDERS:
        yield key, f"are {len(providers)}, and a task takes {_MOST_PROVIDERS}"
    yield from _share_problems(providers)


def _share_problems(providers: Sequence[CapacityProviderTable]) -> Found:
    if sum(one.base > 0 for one in providers) > 1:
        yield "ecs.capacity-providers", "have a `base` each; ECS takes one"
    if providers and not any(one.weight for one in providers):
        yield "ecs.capacity-providers", "all have weight 0; give one of them a share"


def _runs_on(provider: str) -> str:
    return "Fargate" if provider in _FARGATE_PROVIDERS else "EC2"


def _tag_problems(tags: Mapping[str, str]) -> Found:
    if len(tags) > _MOST_TAGS:
        yield "ecs.tags", f"are {len(tags)}, and AWS takes {_MOST_TAGS} beside Flowyard's own"
    for name, value in tags.items():
        if name.lower().startswith(_RESERVED_TAGS):
            yield f"ecs.tags.{name}", "begins with a word that is kept for AWS and for Flowyard; take another"
        elif not (_is_tag(name, _LONGEST_TAG_KEY) and name) or not _is_tag(value, _LONGEST_TAG):
            yield (
                f"ecs.tags.{name}",
                f"is no tag; use letters, digits, spaces and _.:/=+@-, {_LONGEST_TAG_KEY} in the key and "
                f"{_LONGEST_TAG} in the value at the most",
            )


def _is_tag(text: str, longest: int) -> bool:
    return len(text) <= longest and _TAG.fullmatch(text) is not None


def _cluster_problem(cluster: str, region: str) -> Found:
    try:
        found = parse_arn(cluster)
    except ValueError:
        yield "ecs.cluster", "is no ARN; write the cluster's name or ARN"
        return
    if found.service != "ecs" or not found.resource.startswith("cluster/"):
        yield "ecs.cluster", "is the ARN of something else; write the cluster's name or ARN"
    elif found.region != region:
        yield "ecs.cluster", f"is in {found.region}, but `ecs.region` is {region}"
