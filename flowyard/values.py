"""The nouns of the pipeline as frozen values: what one step hands to the next.

Those of images are in images.py: they hold a rule of their own, and what only handles images needs no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flowyard.target import Target

Json = Any  # a value that json.loads can return
FINAL_STATES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})  # types of states of a flow run


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The image every layer of ours stands on: as configured (`name`), and as pinned (`reference`).

    `python` is the minor version, such as `3.13`; `reference` ends in `@sha256:...`. Both are None as
    long as `lock` has not looked: what needs them then says so.
    """

    name: str
    reference: str | None = None
    python: str | None = None


DependencyKind = Literal["requirements.txt", "pyproject.toml", "script", "none"]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Where a flow declares what it needs, and the requirements found there, one per line."""

    kind: DependencyKind
    file: Path | None
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deployment runs. Exactly one of `cron`, `interval` (seconds) and `rrule` is set."""

    cron: str | None = None
    interval: float | None = None
    rrule: str | None = None
    timezone: str = "UTC"
    anchor: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    active: bool = True
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What one run may use: `cpu` in cores, `memory` in bytes. None leaves it to the work pool."""

    cpu: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One deployment as the files want it, before any image is known.

    `secrets` are an ARN (ECS) or SECRET/KEY (Kubernetes) by the environment variable that a run finds the value in.
    """

    name: str
    entrypoint: str
    schedules: tuple[Schedule, ...] = ()
    parameters: Mapping[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    description: str | None = None
    concurrency_limit: int | None = None
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"
    work_queue: str | None = None
    resources: Resources = Resources()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    job_variables: Mapping[str, Json] = field(default_factory=dict)
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """One folder under flows/: what goes into its image, and the deployments that run it.

    `folder`, `includes` and `dockerfile` are relative to the project's root. `entrypoints` are as
    requested: `flow.py:etl`, or `flow.py` where the image finds the flow by itself. The bounds of the check
    (seconds, and memory as in `4Gi`) are None where the runtime part's own hold. `docker_tasks` are the flows it
    calls, None where its code says which. `storages` are the kinds of result storage, `s3`, whose library the
    image gets because some target of the project keeps results there.
    """

    name: str
    folder: Path
    base: BaseImage
    dependencies: Dependencies
    entrypoints: tuple[str, ...]
    deployments: tuple[DeploymentSpec, ...]
    system_packages: tuple[str, ...] = ()
    includes: tuple[Path, ...] = ()
    platforms: tuple[str, ...] = ()
    build_secrets: tuple[str, ...] = ()
    dockerfile: Path | None = None
    check_seconds: float | None = None
    check_memory: str | None = None
    docker_tasks: tuple[str, ...] | None = None
    storages: tuple[str, ...] = ()

    def deployments_on(self, target: str) -> tuple[DeploymentSpec, ...]:
        """Those that are for the target of this name; one that names no target is for none."""
        return tuple(deployment for deployment in self.deployments if target in deployment.targets)


@dataclass(frozen=True, slots=True)
class PrefectAddress:
    """Where the Prefect API is, and how to speak to it. What may be a secret cannot be printed."""

    api_url: str
    key: Secret | None = None
    auth_string: Secret | None = None
    embedded: bool = False
    headers: tuple[tuple[str, Secret], ...] = ()  # of every request
    authorities: Path | None = None  # a file of certificates, instead of the system's
    verify: bool = True
    timeout: float | None = None


class Secret:
    """A value that cannot be printed by accident; `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or, with `identity_token`, a token that is exchanged for others."""

    username: str
    secret: Secret
    identity_token: bool = False


@dataclass(frozen=True, slots=True)
class BuildSecret:
    """A file handed to BuildKit for single RUN steps: its name (`id`) and where its value lies.

    Exactly one of `env` (an environment variable) and `file` is set.
    """

    id: str
    file: Path | None = None
    env: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """Both files and the local overrides, validated and completed."""

    name: str
    root: Path
    flows: tuple[Flow, ...]
    targets: Mapping[str, Target]
    default_target: str
    build_secrets: tuple[BuildSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """Where a result is kept: its `key` in the result storage, and the serializer's settings as JSON."""

    key: str
    serializer: str


@dataclass(frozen=True, slots=True)
class FlowDescription:
    """One flow as its own image describes it.

    `id` is the attribute the runtime wrapper serves it under; `requested` the entrypoint as the
    configuration asked for it, `entrypoint` as it was found (`flow.py:etl`); `parameter_schema` is
    Prefect's parameter OpenAPI schema. `signature` says how it is called in Python (None in images that were made
    before there was one).
    """

    id: str
    requested: str
    entrypoint: str
    name: str
    description: str | None
    parameter_schema: Mapping[str, Json]
    enforce_parameter_schema: bool = True
    signature: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """The content of /opt/flowyard/description.json: what an image says about itself."""

    flows: tuple[FlowDescription, ...]
    python: str
    prefect: str
    distributions: Mapping[str, str]

    def flow(self, requested: str) -> FlowDescription:
        """The flow the configuration calls `requested`. Raises KeyError when it is not described."""
        for described in self.flows:
            if described.requested == requested:
                return described
        raise KeyError(requested)
