"""Validated files -> completed `Project`: defaults applied, references between the files checked.

The second half of loading. What one file cannot know about itself (does the entrypoint exist, is the target
known, do two names collide) is found here, and again everything at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from flowyard.configuration.builders import on_this_machine
from flowyard.configuration.dependencies import read_dependencies
from flowyard.configuration.models import (
    BaseTable,
    DeploymentTable,
    FlowFile,
    LocalFile,
    RegistryFile,
)
from flowyard.configuration.paths import (
    FLOW_FILE,
    LOCAL_FILE,
    REGISTRY_FILE,
    is_file,
    is_folder,
    is_inside,
    leaves,
)
from flowyard.configuration.schedules import schedule_of
from flowyard.configuration.targets import flow_problems, storages_of, target_problems, targets_of
from flowyard.errors import Problem
from flowyard.references import parse_reference
from flowyard.runtime.names import DEFAULT_DEPLOYMENT
from flowyard.texts import did_you_mean, show
from flowyard.values import (
    BaseImage,
    BuildSecret,
    DeploymentSpec,
    Flow,
    Project,
    Resources,
    Schedule,
)

DEFAULT_BASE = "python:3.13-slim"
OWN_DOCKERFILES = ("Dockerfile.j2", "Dockerfile")
_FLOW_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*")  # a component of a repository
_OFFICIAL_PYTHON = re.compile(r"(?:docker\.io/)?(?:library/)?python:(3\.\d+)(?:[.-].*)?")
Value = TypeVar("Value")
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read from the files."""

    root: Path
    registry: RegistryFile
    local: LocalFile
    bases: Mapping[str, BaseTable]
    flows: Mapping[str, FlowFile]


def complete(sources: Sources) -> tuple[Project, tuple[Problem, ...]]:
    """The project and what is wrong with it; with problems the project must not be used."""
    targets = on_this_machine(targets_of(sources.registry), sources.local.build)
    problems = [*_flow_names(sources), *target_problems(sources.registry, targets)]
    storages = storages_of(targets)
    flows = []
    for name, file in sources.flows.items():
        builder = _FlowBuilder(sources, name, file)
        flows.append(replace(builder.flow(), storages=storages))
        problems += [*builder.problems, *flow_problems(flows[-1], targets)]
    table = sources.registry.project
    if table.default_target not in targets:
        known = ", ".join(sorted(targets))
        found = f"`{table.default_target}` is not a target{did_you_mean(table.default_target, targets)}"
        problems.append(Problem(REGISTRY_FILE, "project.default-target", f"{found}; targets: {known}"))
    secrets, secret_problems = _build_secrets(sources)
    project = Project(table.name, sources.root, tuple(flows), targets, table.default_target, secrets)
    once = dict.fromkeys((*problems, *secret_problems))  # a default's problem comes with every flow
    return project, tuple(once)


def _flow_names(sources: Sources) -> Iterator[Problem]:
    for name in sources.flows:
        if not _FLOW_NAME.fullmatch(name):
            yield Problem(
                f"flows/{name}",
                "",
                "is not a name a container registry takes; use lower-case letters and digits, joined by "
                "-, _ or __, at most 63 characters",
            )


def _build_secrets(sources: Sources) -> tuple[tuple[BuildSecret, ...], tuple[Problem, ...]]:
    secrets, problems = [], []
    for name, source in sources.local.build_secrets.items():
        key = f"build-secrets.{name}"
        if (source.file is None) == (source.env is None):
            problems.append(Problem(LOCAL_FILE, key, "needs exactly one of `file` and `env`"))
        path = None if source.file is None else sources.root / _expanded(source.file)
        if path is not None and not is_file(path):
            problems.append(Problem(LOCAL_FILE, f"{key}.file", f"{show(source.file)} is not a file"))
        secrets.append(BuildSecret(name, path, source.env))
    return tuple(secrets), tuple(problems)


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # `~name` of nobody here
        return Path(path)


class _FlowBuilder:
    """Completes one flow and keeps what is wrong with it."""

    def __init__(self, sources: Sources, name: str, file: FlowFile) -> None:
        self._sources = sources
        self._defaults = sources.registry.defaults
        self._name = name
        self._file = file
        self._folder = Path("flows") / name
        self.problems: list[Problem] = []

    def flow(self) -> Flow:
        entrypoint = self._entrypoint("entrypoint", self._file.entrypoint or "flow.py")
        deployments = self._deployments(entrypoint)
        dependencies, problems = read_dependencies(
            self._sources.root, self._folder, entrypoint.partition(":")[0]
        )
        self.problems += problems
        requested = dict.fromkeys(deployment.entrypoint for deployment in deployments)
        file, defaults = self._file, self._defaults
        return Flow(
            name=self._name,
            folder=self._folder,
            base=self._base(),
            dependencies=dependencies,
            entrypoints=tuple(requested) or (entrypoint,),
            deployments=deployments,
            system_packages=tuple(sorted({*(defaults.system_packages or ()), *(file.system_packages or ())})),
            includes=self._includes(),
            platforms=tuple(_first(file.platforms, defaults.platforms) or ()),
            build_secrets=tuple(sorted({*(defaults.build_secrets or ()), *(file.build_secrets or ())})),
            dockerfile=self._own_dockerfile(),
            check_seconds=_first(file.check_seconds, defaults.check_seconds),
            check_memory=_first(file.check_memory, defaults.check_memory),
            docker_tasks=None if file.docker_tasks is None else tuple(sorted(set(file.docker_tasks))),
        )

    def _problem(self, key: str, text: str) -> None:
        self.problems.append(Problem(f"{self._folder.as_posix()}/{FLOW_FILE}", key, text))

    def _entrypoint(self, key: str, entrypoint: str) -> str:
        file = entrypoint.partition(":")[0]
        if leaves(file):
            self._problem(key, f"{show(entrypoint)} leaves the flow's folder; name a file inside it")
        elif not is_file(self._sources.root / self._folder / file):
            if self._file.entrypoint is None and key == "entrypoint":
                text = "has no flow.py; add one, name another file as `entrypoint` in flow.toml, or remove the folder"
                self.problems.append(Problem(self._folder.as_posix(), "", text))
            else:
                self._problem(key, f"{show(entrypoint)}: there is no file {self._folder.as_posix()}/{file}")
        return entrypoint

    def _base(self) -> BaseImage:
        name = _first(self._file.base, self._defaults.base) or DEFAULT_BASE
        pinned = self._sources.bases.get(name)
        if pinned is None:
            self._check_reference(name)
        official = _OFFICIAL_PYTHON.fullmatch(name)
        declared = _first(self._file.python, None if self._file.base else self._defaults.python)
        held = pinned.python if pinned else official[1] if official else None
        if declared and held and declared != held:
            self._other_python(declared, name, held)
        return BaseImage(name, pinned.reference if pinned else None, declared or held)

    def _other_python(self, declared: str, name: str, held: str) -> None:
        text = (
            f"{show(declared)}, but base image {name} holds Python {held}; leave `python` out, "
            f'or take a base that holds it: `base = "python:{declared}-slim"`'
        )
        if self._file.python is None:
            self.problems.append(Problem(REGISTRY_FILE, "defaults.python", text))
        else:
            self._problem("python", text)

    def _check_reference(self, name: str) -> None:
        try:
            parse_reference(name)
        except ValueError as error:
            if self._file.base is None:
                self.problems.append(Problem(REGISTRY_FILE, "defaults.base", str(error)))
            else:
                self._problem("base", str(error))

    def _includes(self) -> tuple[Path, ...]:
        for include in self._defaults.include or ():
            if (text := self._include_problem(include)) is not None:
                self.problems.append(Problem(REGISTRY_FILE, "defaults.include", text))
        for include in self._file.include or ():
            if (text := self._include_problem(include)) is not None:
                self._problem("include", text)
        includes = [*(self._defaults.include or ()), *(self._file.include or ())]
        return tuple(sorted({Path(include) for include in includes}))

    def _include_problem(self, include: str) -> str | None:
        if leaves(include):
            return f"{show(include)} leaves the repository; name a folder inside it"
        if not PurePosixPath(include).parts:
            return f"{show(include)} is the whole repository; name a folder inside it"
        root = self._sources.root
        if not is_folder(root / include):
            return f"{show(include)}: there is no such folder in the repository"
        if not is_inside(root, root / include):
            return f"{show(include)} is a link that leaves the repository; copy the folder into it"
        return None

    def _own_dockerfile(self) -> Path | None:
        for name in OWN_DOCKERFILES:
            if (self._sources.root / self._folder / name).is_file():
                return self._folder / name
        return None

    def _deployments(self, entrypoint: str) -> tuple[DeploymentSpec, ...]:
        tables = self._file.deployments or {DEFAULT_DEPLOYMENT: DeploymentTable()}  # type: ignore[call-arg]
        return tuple(self._deployment(name, table, entrypoint) for name, table in sorted(tables.items()))

    def _deployment(self, name: str, table: DeploymentTable, entrypoint: str) -> DeploymentSpec:
        key = f"deployments.{name}"
        targets = tuple(self._sources.registry.targets if table.targets is None else table.targets)
        for target in targets:
            if target not in self._sources.registry.targets:
                guess = did_you_mean(target, self._sources.registry.targets)
                known = ", ".join(sorted(self._sources.registry.targets))
                self._problem(f"{key}.targets", f"`{target}` is not a target{guess}; targets: {known}")
        schedules: list[Schedule] = []
        for position, schedule in enumerate(table.schedules):
            completed, findings = schedule_of(schedule)
            for where, problem in findings:
                self._problem(f"{key}.schedules[{position}]{where}", problem)
            if _identity(completed) in map(_identity, schedules):
                self._problem(f"{key}.schedules[{position}]", "repeats another schedule; remove one of them")
            schedules.append(completed)
        own = self._entrypoint(f"{key}.entrypoint", table.entrypoint) if table.entrypoint else entrypoint
        tags = {*(self._defaults.tags or ()), *(self._file.tags or ()), *table.tags}
        return DeploymentSpec(
            name=name,
            entrypoint=own,
            schedules=tuple(schedules),
            parameters=table.parameters,
            tags=tuple(sorted(tags)),
            description=table.description,
            concurrency_limit=table.concurrency_limit,
            collision_strategy=table.collision_strategy,
            work_queue=table.work_queue,
            resources=_resources(table),
            env={**(self._defaults.env or {}), **(self._file.env or {}), **table.env},
            secrets=table.secrets,
            job_variables=table.job_variables,
            targets=targets,
        )


def _identity(schedule: Schedule) -> str | Schedule:
    """What Prefect tells schedules of a deployment apart by: the name, or all but whether it is on."""
    return schedule.name or replace(schedule, active=True)


def _resources(table: DeploymentTable) -> Resources:
    memory = table.resources.memory
    return Resources(table.resources.cpu, None if memory is None else int(memory[:-2]) * _UNITS[memory[-2:]])


def _first(*values: Value | None) -> Value | None:
    return next((value for value in values if value is not None), None)
