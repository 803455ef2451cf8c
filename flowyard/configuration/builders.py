"""The table `build` of a target and of registry.local.toml -> `BuildSettings`, and what is wrong with it.

Whether there is such a builder is not asked here: only a build needs to know, and a ship with nothing to do builds
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flowyard.aws.ecr_hosts import account_and_region
from flowyard.configuration.models import LocalBuilderTable
from flowyard.configuration.paths import REGISTRY_FILE
from flowyard.configuration.target_models import OciRegistryTable, RegistryCacheTable, TargetTable
from flowyard.errors import Problem
from flowyard.references import LONGEST_PATH
from flowyard.target import BuildSettings, GithubCache, RegistryCache, Target
from flowyard.texts import show

_KEY = "build.cache.repository"


def build_of(table: TargetTable) -> BuildSettings:
    """Where images for the target are built."""
    if table.build is None:
        return BuildSettings()
    cache = table.build.cache
    if not isinstance(cache, RegistryCacheTable):
        return BuildSettings(table.build.builder, None if cache is None else GithubCache())
    path = _path_below(table)
    repository = f"{path}/{cache.repository}" if path else cache.repository
    return BuildSettings(table.build.builder, RegistryCache(repository))


def on_this_machine(targets: Mapping[str, Target], local: LocalBuilderTable | None) -> dict[str, Target]:
    """The targets as this machine builds for them."""
    if local is None:
        return dict(targets)
    return {name: replace(target, build=_local(target.build, local)) for name, target in targets.items()}


def cache_problems(table: TargetTable, target: Target) -> Iterator[tuple[str, str]]:
    """What is wrong with the cache of a target by itself, as (key below the target, text)."""
    cache = None if table.build is None else table.build.cache
    if not isinstance(cache, RegistryCacheTable) or not isinstance(target.build.cache, RegistryCache):
        return
    host, slash, rest = cache.repository.partition("/")
    if slash and (host == target.registry_host or account_and_region(host) is not None):
        better = f"write the path alone, as in {show(rest)}"
        yield _KEY, f"{show(cache.repository)} has a host; {better}: it lies in the target's registry"
    elif len(target.build.cache.repository) > LONGEST_PATH:
        yield (
            _KEY,
            f"makes a path of more than {LONGEST_PATH} characters, which container registries do not take",
        )
    elif target.build.cache.repository == target.repository:
        yield _KEY, _taken(cache.repository, "the flows'")


def flow_cache_problems(flow: str, targets: Mapping[str, Target]) -> Iterator[Problem]:
    """What is wrong between a flow and the targets' caches."""
    for target in targets.values():
        cache = target.build.cache
        if not isinstance(cache, RegistryCache) or "{flow}" not in target.repository:
            continue
        if cache.repository == target.repository.replace("{flow}", flow):
            text = _taken(cache.repository, f"flow {flow}'s")
            yield Problem(REGISTRY_FILE, f"targets.{target.name}.{_KEY}", text)


def _local(build: BuildSettings, local: LocalBuilderTable) -> BuildSettings:
    return BuildSettings(local.builder or build.builder, build.cache if local.cache else None)


def _path_below(table: TargetTable) -> str:
    """The path that stands before every repository of the target."""
    return (
        table.registry.url.strip("/").partition("/")[2]
        if isinstance(table.registry, OciRegistryTable)
        else ""
    )


def _taken(repository: str, whose: str) -> str:
    return f"{show(repository)} is the repository of {whose} images; use another: a cache's tags move"
