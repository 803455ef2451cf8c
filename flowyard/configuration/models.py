"""registry.toml, flow.toml and registry.local.toml as pydantic models: the only list of keys there is.

Validation, the JSON Schemas for editors and the configuration reference are all made from these models, so
they cannot disagree. Values are strict: nothing is converted from one type to another in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_RUNS = 2**31 - 1  # what the Prefect server's database holds
MOST_CORES = 10_000  # in billionths of a core, the engine's number still fits
MOST_SECONDS = 3_153_600_000  # a hundred years
NAME = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"
SECRET_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
ENTRYPOINT = r"^[A-Za-z0-9_./-]+\.py(:[A-Za-z_][A-Za-z0-9_.]*)?$"
DEBIAN_PACKAGE = r"^[a-z0-9][a-z0-9+.-]+([:=][A-Za-z0-9+.:~-]+)?$"
FOLDER = r"^[A-Za-z0-9_./-]+$"
PLATFORM = r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"
PREFECT_NAME = r"^[^/%&<>\s]([^/%&<>]*[^/%&<>\s])?$"
PYTHON = r"^3\.[0-9]+$"
MEMORY = r"^[1-9][0-9]{0,9}(Ki|Mi|Gi|Ti)$"
RESULTS = r"^volume:[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
PINNED = r"@sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME)]
EnvName = Annotated[str, Field(pattern=ENV_NAME)]
SecretName = Annotated[str, Field(pattern=SECRET_NAME)]
# These words are written into a Dockerfile, so what could be read as more than one word there is refused.
Entrypoint = Annotated[str, Field(pattern=ENTRYPOINT)]
DebianPackage = Annotated[str, Field(pattern=DEBIAN_PACKAGE)]
Folder = Annotated[str, Field(pattern=FOLDER)]
Memory = Annotated[str, Field(pattern=MEMORY)]
Platform = Annotated[str, Field(pattern=PLATFORM)]
# What Prefect takes as the name of a work pool or queue; a blank one would be found by nobody.
PrefectName = Annotated[str, Field(pattern=PREFECT_NAME)]

# The patterns in words, for messages.
FORMS: Mapping[str, str] = MappingProxyType(
    {
        NAME: "use lower-case letters, digits, - and _, from letter or digit to letter or digit, at most 63",
        SECRET_NAME: "use letters, digits, _, . and -, first a letter, at most 64",
        ENV_NAME: "use letters, digits and _, not first a digit",
        ENTRYPOINT: "write FILE.py or FILE.py:FUNCTION, such as `flow.py:etl`",
        DEBIAN_PACKAGE: "write the package's name, such as `libpq5`, perhaps with :ARCHITECTURE or =VERSION",
        FOLDER: "write a path of letters, digits, _, . and -, such as `shared`",
        PLATFORM: "write SYSTEM/PROCESSOR, such as `linux/arm64`",
        PREFECT_NAME: "use any characters but / % & < and >, and no blank first or last",
        PYTHON: 'write two numbers in quotes, such as "3.13"',
        MEMORY: 'write a whole number with Ki, Mi, Gi or Ti, such as "512Mi"',
        RESULTS: 'write a volume\'s name, as in "volume:flow-results"',
        PINNED: "end it with @sha256: and 64 digits of 0-9 a-f; `lock` writes it",
    }
)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Table(BaseModel):
    """A TOML table whose keys are kebab-case and all known."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=_kebab,
        defer_build=True,  # most tables are never validated on their own; every ship would pay for them
    )


class ScheduleTable(Table):
    """When a deployment runs: exactly one of `cron`, `interval` and `rrule`."""

    cron: str | None = Field(None, description="Cron expression of five fields, such as `0 6 * * *`.")
    interval: float | None = Field(None, gt=0, le=MOST_SECONDS, description="Seconds between two runs.")
    rrule: str | None = Field(None, description="iCalendar recurrence rule (RFC 5545).")
    timezone: str = Field("UTC", description="IANA time zone the schedule is read in.")
    anchor: str | None = Field(None, description="ISO 8601 date and time that intervals count from.")
    parameters: dict[str, Any] = Field({}, description="Parameters of the runs this schedule starts.")
    active: bool = Field(True, description="False registers the schedule switched off.")
    name: Name | None = Field(None, description="Keeps a schedule's identity when its times change.")


class ResourcesTable(Table):
    """What one run may use, mapped to each work-pool type's own job variables."""

    cpu: float | None = Field(None, gt=0, le=MOST_CORES, description="Cores, such as `0.5` or `2`.")
    memory: str | None = Field(
        None,
        pattern=MEMORY,
        description="Bytes with a binary unit, such as `512Mi`.",
    )


class DeploymentTable(Table):
    """One deployment of a flow: how and when Prefect runs it."""

    entrypoint: Entrypoint | None = Field(
        None, description="`file.py:function`; default: the flow's own entrypoint."
    )
    schedules: list[ScheduleTable] = Field([], description="When it runs by itself.")
    parameters: dict[str, Any] = Field({}, description="Parameters every run starts with.")
    tags: list[str] = Field([], description="Tags of the deployment and its runs.")
    description: str | None = Field(None, description="Markdown; default: the flow's docstring.")
    concurrency_limit: int | None = Field(
        None, ge=1, le=MOST_RUNS, description="How many runs may be active at once."
    )
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = Field(
        "ENQUEUE", description="What happens to a run over the limit: it waits, or is cancelled."
    )
    work_queue: PrefectName | None = Field(None, description="Queue of the target's work pool.")
    resources: ResourcesTable = Field(
        default_factory=lambda: ResourcesTable.model_validate({}), description="What one run may use."
    )
    env: dict[EnvName, str] = Field({}, description="Environment variables of the run. Never secrets.")
    job_variables: dict[str, Any] = Field(
        {}, description="Job variables of the work pool, passed as they are."
    )
    targets: list[Name] | None = Field(None, description="Targets this deployment exists on; default: all.")


class BuildTable(Table):
    """What [defaults] of registry.toml and a flow.toml have in common."""

    base: str | None = Field(None, description="Base image; `lock` pins it by digest.")
    python: str | None = Field(
        None,
        pattern=PYTHON,
        description="Python version in the base; default: read from the tag of an official `python` image.",
    )
    system_packages: list[DebianPackage] | None = Field(
        None, description="Debian packages the flow needs at run time."
    )
    include: list[Folder] | None = Field(None, description="Folders of the repository the image also gets.")
    platforms: list[Platform] | None = Field(
        None, description="Platforms, such as `linux/arm64`; default: this machine's own."
    )
    build_secrets: list[SecretName] | None = Field(
        None, description="Names of the build secrets the install steps may read, beside `ca` and `index`."
    )
    check_seconds: float | None = Field(
        None, gt=0, le=3600, description="How long the image's check may take; default: 120."
    )
    check_memory: Memory | None = Field(
        None, description="What each process of the check may use, such as `4Gi`; default: `2Gi`."
    )
    env: dict[EnvName, str] | None = Field(
        None, description="Environment variables of every run. Never secrets."
    )
    tags: list[str] | None = Field(None, description="Tags of every deployment.")


class FlowFile(BuildTable):
    """flow.toml: what differs from the defaults for one flow."""

    entrypoint: Entrypoint | None = Field(
        None, description="`file.py:function`; default: the one @flow found in flow.py."
    )
    deployments: dict[Name, DeploymentTable] = Field({}, description="The flow's deployments by name.")


class EmbeddedRegistry(Table):
    """The container registry on loopback that `up` starts."""

    type: Literal["embedded"]
    repository: str = Field(
        "flows/{flow}", description="Path of the repository; `{flow}` is the folder's name."
    )


class OciRegistry(Table):
    """Any container registry that speaks the OCI distribution API."""

    type: Literal["oci"]
    url: str = Field(description="Host and optional path, such as `ghcr.io/acme`; no scheme.")
    repository: str = Field("{flow}", description="Path below `url`; `{flow}` is the folder's name.")


class WorkPoolTable(Table):
    """The work pool that runs the deployments; made when it is missing."""

    name: PrefectName = Field(description="Name of the work pool.")
    type: Literal["docker"] = Field(description="Type of the work pool.")
    queue: PrefectName | None = Field(None, description="Default work queue.")


class PrefectTable(Table):
    """The Prefect API: `api`, or `profile`, or neither (then PREFECT_API_URL and PREFECT_API_KEY count)."""

    api: str | None = Field(None, description="`embedded` (started by `up`) or the API's URL.")
    profile: str | None = Field(None, description="Name of a Prefect profile on this machine.")


class TargetTable(Table):
    """A place to ship to."""

    registry: Annotated[EmbeddedRegistry | OciRegistry, Field(discriminator="type")]
    work_pool: WorkPoolTable
    prefect: PrefectTable = Field(
        default_factory=lambda: PrefectTable.model_validate({}), description="The Prefect API."
    )
    results: str | None = Field(None, pattern=RESULTS, description="Result storage: `volume:NAME`.")
    env: dict[EnvName, str] = Field({}, description="Environment variables of every run. Never secrets.")
    job_variables: dict[str, Any] = Field({}, description="Job variables of every deployment.")
    order: Literal["git", "none"] | None = Field(
        None,
        description="`git`: an older commit never overwrites a newer one. Default: `git`, and `none` where "
        "the Prefect API is embedded.",
    )


class ProjectTable(Table):
    """What all flows share."""

    name: Name = Field(description="Owner mark on everything that is registered.")
    default_target: Name = Field("local", description="The target used when none is named.")


class RegistryFile(Table):
    """registry.toml: the targets this repository ships to, and defaults for every flow."""

    project: ProjectTable
    defaults: BuildTable = Field(
        default_factory=lambda: BuildTable.model_validate({}),
        description="Any of these keys may stand in a flow.toml.",
    )
    targets: dict[Name, TargetTable] = Field(min_length=1, description="Targets by name.")


class BaseTable(Table):
    """A base image pinned by digest."""

    reference: str = Field(pattern=PINNED, description="Image reference with its digest.")
    python: str = Field(pattern=PYTHON, description="Python version in the image.")


class SecretSource(Table):
    """Where this machine keeps a build secret: exactly one of `file` and `env`."""

    file: str | None = Field(None, description="Path of the file that holds it.")
    env: EnvName | None = Field(None, description="Environment variable that holds it.")


class LocalFile(Table):
    """registry.local.toml: what holds on this machine only. Not committed."""

    bases: dict[str, BaseTable] = Field({}, description="Base images that stand in for the configured ones.")
    build_secrets: dict[SecretName, SecretSource] = Field(
        {}, description="Build secrets; `ca` is a CA bundle, `index` the address of a package index."
    )


class BasesFile(Table):
    """images/bases.lock: base images pinned by digest, written by `lock`."""

    bases: dict[str, BaseTable] = Field(
        {}, description="Pinned references by the name the configuration uses."
    )
