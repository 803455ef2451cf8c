"""The tables below [targets] of registry.toml as pydantic models.

Apart from models.py, because a target is where kinds are added: of container registries, work pools and result
storage.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from flowyard.configuration.forms import (
    MOST_RUNS,
    RESULTS,
    AwsAccount,
    AwsRegion,
    AwsRole,
    AwsSecurityGroup,
    AwsSubnet,
    AwsVpc,
    Builder,
    CacheRepository,
    EnvName,
    KubernetesLabel,
    KubernetesLabelName,
    KubernetesName,
    KubernetesObject,
    LogGroup,
    PrefectName,
    RunSecret,
    Table,
)
from flowyard.configuration.parse import EXPLAINED
from flowyard.configuration.pool_types import why_not


def _supported(found: Any) -> Any:
    text = why_not(found) if isinstance(found, str) else None
    if text is not None:
        raise PydanticCustomError(EXPLAINED, "{text}", {"text": text})
    return found


WorkPoolType = Annotated[Literal["docker", "ecs", "ecs:push", "kubernetes"], BeforeValidator(_supported)]


class EmbeddedRegistryTable(Table):
    """The container registry on loopback that `up` starts."""

    type: Literal["embedded"]
    repository: str = Field(
        "flows/{flow}", description="Path of the repository; `{flow}` is the folder's name."
    )


class OciRegistryTable(Table):
    """Any container registry that speaks the OCI distribution API."""

    type: Literal["oci"]
    url: str = Field(description="Host and optional path, such as `ghcr.io/acme`; no scheme.")
    repository: str = Field("{flow}", description="Path below `url`; `{flow}` is the folder's name.")


class EcrRegistryTable(Table):
    """Amazon ECR: repositories are made when they are missing, and no `docker login` is needed."""

    type: Literal["ecr"]
    region: AwsRegion = Field(description="Region of the registry.")
    account: AwsAccount | None = Field(
        None,
        description="Account that owns the registry; default: the caller's. Nothing is made in another's.",
    )
    repository: str = Field(
        "flows/{flow}",
        description="Name of the repository, without a host; `{flow}` is the folder's name. Without it all flows share "
        "one, each under tags of its own.",
    )
    create: bool = Field(True, description="False: repositories are made by somebody else.")
    immutable: bool = Field(True, description="Tags of repositories that are made never move.")
    scan_on_push: bool = Field(True, description="Images are scanned when they are pushed.")
    encryption_key: str | None = Field(
        None,
        min_length=1,
        description="KMS key (ARN, id or alias) of repositories that are made; default: AES-256.",
    )
    expire_untagged_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="Repositories that are made expire images without a tag after so many days. What a deployment "
        "runs always has one. Needs `immutable`.",
    )
    tags: dict[str, str] = Field({}, description="AWS tags of repositories that are made.")
    dual_stack: bool = Field(
        False,
        description="Images are pushed to and pulled from the registry's host that has IPv6 addresses too.",
    )
    fips: bool = Field(
        False, description="The same with its host for FIPS 140, in the regions that have one."
    )


class WorkPoolTable(Table):
    """The work pool that runs the deployments; made when it is missing."""

    name: PrefectName = Field(description="Name of the work pool.")
    type: WorkPoolType = Field(description="Type of the work pool.")
    queue: PrefectName | None = Field(None, description="Default work queue.")


class CapacityProviderTable(Table):
    """A capacity provider of the cluster."""

    name: str = Field(min_length=1, description="Its name, such as `FARGATE_SPOT`.")
    weight: int = Field(1, ge=0, le=1000, description="Its share of the tasks.")
    base: int = Field(0, ge=0, le=100_000, description="How many tasks it runs before the shares count.")


class EcsTable(Table):
    """How tasks run on Amazon ECS; for work pools of type `ecs` and `ecs:push`."""

    region: AwsRegion | None = Field(
        None, description="Region of the cluster; default: that of the ECR registry."
    )
    cluster: str | None = Field(
        None, min_length=1, description="Name or ARN of the cluster; default: `default`."
    )
    execution_role: AwsRole | None = Field(
        None, description="Role that pulls the image, reads secrets and writes logs, before the flow starts."
    )
    task_role: AwsRole | None = Field(None, description="Role that the flow's own code has.")
    launch_type: Literal["FARGATE", "EC2"] = Field("FARGATE", description="What the tasks run on.")
    capacity_providers: list[CapacityProviderTable] = Field(
        [], description="Capacity providers of the cluster, instead of the launch type alone."
    )
    vpc: AwsVpc | None = Field(None, description="VPC of the tasks; default: the region's default VPC.")
    subnets: list[AwsSubnet] = Field([], description="Subnets of the VPC; default: all of them.")
    security_groups: list[AwsSecurityGroup] = Field([], description="Security groups of the tasks.")
    public_ip: bool = Field(False, description="Tasks in `subnets` get a public address.")
    log_group: LogGroup | None = Field(
        None, description="CloudWatch log group of the containers' output; made when it is missing."
    )
    architecture: Literal["x86_64", "arm64"] = Field("x86_64", description="Processor the tasks run on.")
    ephemeral_storage: int | None = Field(
        None, ge=21, le=200, description="Disk of a Fargate task in GiB; default: the 20 that Fargate gives."
    )
    exec: bool = Field(False, description="Allow `aws ecs execute-command` into running tasks.")
    tags: dict[str, str] = Field({}, description="AWS tags of the task definitions.")


class KubernetesTable(Table):
    """How jobs run on a Kubernetes cluster; for work pools of type `kubernetes`."""

    namespace: KubernetesName = Field("default", description="Namespace of jobs and Secrets.")
    service_account: KubernetesObject | None = Field(
        None, description="Service account that the flow's own code has; default: the namespace's."
    )
    image_pull_secrets: list[KubernetesObject] = Field(
        [], description="Secrets of the namespace that nodes log in to the container registry with."
    )
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        "IfNotPresent",
        description="When a node asks the container registry for an image; it is named by digest.",
    )
    labels: dict[KubernetesLabelName, KubernetesLabel] = Field(
        {}, description="Labels of jobs and pods, beside Prefect's own."
    )
    keep_jobs: int = Field(
        3600, ge=0, le=MOST_RUNS, description="Seconds that a job that ended is kept, with its pod's output."
    )


class RegistryCacheTable(Table):
    """A repository of the target's container registry."""

    type: Literal["registry"]
    repository: CacheRepository = Field(
        description="Its path, without a host; images lie in others. Each flow has a tag there, which moves."
    )


class GithubCacheTable(Table):
    """The cache of GitHub Actions."""

    type: Literal["gha"]


class BuilderTable(Table):
    """Where images are built, and where finished steps are kept for other machines. Changes nothing in an image."""

    builder: Builder | None = Field(
        None,
        description="Builder of `docker buildx ls`; default: the one in use, or that of `BUILDX_BUILDER`.",
    )
    cache: RegistryCacheTable | GithubCacheTable | None = Field(
        None,
        discriminator="type",
        description="Where finished steps are kept; default: in the builder alone.",
    )


class PrefectTable(Table):
    """The Prefect API: `api`, or `profile`, or neither (then PREFECT_API_URL and PREFECT_API_KEY count)."""

    api: str | None = Field(None, description="`embedded` (started by `up`) or the API's URL.")
    profile: str | None = Field(None, description="Name of a Prefect profile on this machine.")


class TargetTable(Table):
    """A place to ship to."""

    registry: Annotated[
        EmbeddedRegistryTable | OciRegistryTable | EcrRegistryTable, Field(discriminator="type")
    ]
    work_pool: WorkPoolTable
    ecs: EcsTable | None = Field(None, description="How tasks run on ECS.")
    kubernetes: KubernetesTable | None = Field(None, description="How jobs run on a Kubernetes cluster.")
    prefect: PrefectTable = Field(
        default_factory=lambda: PrefectTable.model_validate({}), description="The Prefect API."
    )
    build: BuilderTable | None = Field(None, description="Where images are built.")
    results: str | None = Field(
        None, pattern=RESULTS, description="Result storage: `volume:NAME` or `s3://BUCKET/PREFIX`."
    )
    env: dict[EnvName, str] = Field({}, description="Environment variables of every run. Never secrets.")
    secrets: dict[EnvName, RunSecret] = Field(
        {},
        description="Secrets by the variable every run finds the value in: on ECS ARNs (Secrets Manager, SSM "
        "parameters), on Kubernetes `SECRET/KEY` of the namespace.",
    )
    job_variables: dict[str, Any] = Field({}, description="Job variables of every deployment.")
    order: Literal["git", "none"] | None = Field(
        None,
        description="`git`: an older commit never overwrites a newer one. Default: `git`, and `none` where "
        "the Prefect API is embedded.",
    )
