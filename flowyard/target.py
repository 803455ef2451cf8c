"""Where flows are shipped to, as frozen values: container registry, work pool, Prefect API, result storage.

Apart from values.py, which holds what travels there: a new kind of registry, pool or storage is added here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from flowyard.images import Repository
from flowyard.values import Json

_ECR_HOST = re.compile(r"([0-9]{12}\.)?ecr(-fips)?(-dual-stack)?\.[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class PrefectChoice:
    """How the configuration names the Prefect API: `api` (`embedded` or a URL), a profile, or neither."""

    api: str | None = None
    profile: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the API is the one `up` starts."""
        return self.api == "embedded"


@dataclass(frozen=True, slots=True)
class VolumeStorage:
    """Results in a Docker volume of the engine that runs the containers."""

    library: ClassVar[str | None] = None  # a folder needs none

    volume: str

    def __str__(self) -> str:
        return f"volume:{self.volume}"


@dataclass(frozen=True, slots=True)
class BucketStorage:
    """Results in an S3 bucket, below `prefix` (without slashes at its ends, perhaps empty).

    `library` is the kind of storage whose library an image needs: see `Flow.storages`.
    """

    library: ClassVar[str | None] = "s3"

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class EcrSettings:
    """An account's container registry in Amazon ECR, and how its repositories are made.

    `account` is None for the caller's own. `encryption_key` is a KMS key's ARN, id or alias; None leaves it to
    ECR's AES-256. Images without a tag are expired after `expire_untagged_days`; None: never. `dual_stack` and
    `fips` say which of the registry's hosts images are named by.
    """

    region: str
    account: str | None = None
    create: bool = True
    immutable: bool = True
    scan_on_push: bool = True
    encryption_key: str | None = None
    expire_untagged_days: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    dual_stack: bool = False
    fips: bool = False

    @property
    def host(self) -> str:
        """What stands for the registry's host until the API has told it: the same for everybody who ships."""
        kind = f"ecr{'-fips' * self.fips}{'-dual-stack' * self.dual_stack}"
        return f"{self.account}.{kind}.{self.region}" if self.account else f"{kind}.{self.region}"


def is_ecr(host: str) -> bool:
    """Whether this stands for the host that ECR's API answers: see `EcrSettings.host`."""
    return _ECR_HOST.fullmatch(host) is not None


@dataclass(frozen=True, slots=True)
class CapacityProvider:
    """A capacity provider of an ECS cluster, and its share of the tasks."""

    name: str
    weight: int = 1
    base: int = 0


@dataclass(frozen=True, slots=True)
class EcsSettings:
    """How tasks run on Amazon ECS: where, as whom, on which network, and where their output goes.

    Roles are ARNs. `ephemeral_storage` is in GiB; None leaves what Fargate gives. `log_group` None: no log.
    """

    region: str
    cluster: str | None = None
    execution_role: str | None = None
    task_role: str | None = None
    launch_type: Literal["FARGATE", "EC2"] = "FARGATE"
    capacity_providers: tuple[CapacityProvider, ...] = ()
    vpc: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = False
    log_group: str | None = None
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    ephemeral_storage: int | None = None
    exec: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How jobs run on a Kubernetes cluster: in which namespace, as whom, and how images are pulled.

    `image_pull_secrets` are Secrets of the namespace, by name. `keep_jobs` are seconds after a job's end.
    """

    namespace: str = "default"
    service_account: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    labels: Mapping[str, str] = field(default_factory=dict)
    keep_jobs: int = 3600


@dataclass(frozen=True, slots=True)
class RegistryCache:
    """Steps kept in a repository of the target's container registry that holds no images; one tag a flow."""

    repository: str


@dataclass(frozen=True, slots=True)
class GithubCache:
    """Steps kept in the cache of GitHub Actions; one scope a flow."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Which of buildx's builders makes the images, None for the one in use, and where it keeps steps for others.

    Nothing in an image depends on it.
    """

    builder: str | None = None
    cache: RegistryCache | GithubCache | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A place to ship to: a container registry, a work pool and a Prefect API.

    `registry_host` is None for the embedded registry until it is known where it listens, and for ECR a name
    that stands for what its API answers; `repository` is a path with `{flow}` in it. `secrets` are what ECS or
    the cluster knows them by (an ARN, NAME/KEY), by the environment variable that a run finds the value in.
    """

    name: str
    registry_host: str | None
    repository: str
    work_pool: str
    work_pool_type: str
    prefect: PrefectChoice
    work_queue: str | None = None
    results: VolumeStorage | BucketStorage | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    job_variables: Mapping[str, Json] = field(default_factory=dict)
    order: Literal["git", "none"] = "git"
    ecr: EcrSettings | None = None
    ecs: EcsSettings | None = None
    kubernetes: KubernetesSettings | None = None
    build: BuildSettings = field(default_factory=BuildSettings)

    def repository_of(self, flow: str) -> Repository:
        """The repository that holds the images of one flow. Needs a known `registry_host`."""
        if self.registry_host is None:
            raise ValueError(f"target {self.name}: the embedded registry's address is not known yet")
        return Repository(self.registry_host, self.repository.replace("{flow}", flow))
