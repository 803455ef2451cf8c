"""registry.toml, flow.toml and registry.local.toml as pydantic models: the only list of keys there is.

Validation, the JSON Schemas for editors and the configuration reference are all made from these models, so
they cannot disagree. Values are strict: nothing is converted from one type to another in silence.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from flowyard.configuration.forms import (
    MEMORY,
    MOST_CORES,
    MOST_RUNS,
    MOST_SECONDS,
    PINNED,
    PYTHON,
    Builder,
    DebianPackage,
    Entrypoint,
    EnvName,
    Folder,
    Memory,
    Name,
    Platform,
    PrefectName,
    RunSecret,
    SecretName,
    Table,
)
from flowyard.configuration.target_models import TargetTable


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
    secrets: dict[EnvName, RunSecret] = Field(
        {}, description="Secrets by the variable a run finds the value in, as in `secrets` of a target."
    )
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
    docker_tasks: list[Name] | None = Field(
        None, description="Flows that it calls as Docker tasks; default: those that its code names."
    )
    deployments: dict[Name, DeploymentTable] = Field({}, description="The flow's deployments by name.")


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


class LocalBuilderTable(Table):
    """Where this machine builds, instead of what the targets say."""

    builder: Builder | None = Field(None, description="Builder of this machine, for every target.")
    cache: bool = Field(True, description="False: this machine neither reads nor writes the targets' caches.")


class LocalFile(Table):
    """registry.local.toml: what holds on this machine only. Not committed."""

    bases: dict[str, BaseTable] = Field({}, description="Base images that stand in for the configured ones.")
    build_secrets: dict[SecretName, SecretSource] = Field(
        {}, description="Build secrets; `ca` is a CA bundle, `index` the address of a package index."
    )
    build: LocalBuilderTable | None = Field(None, description="Where this machine builds.")


class BasesFile(Table):
    """images/bases.lock: base images pinned by digest, written by `lock`."""

    bases: dict[str, BaseTable] = Field(
        {}, description="Pinned references by the name the configuration uses."
    )
