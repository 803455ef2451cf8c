"""The repositories of many_flows.py with fakes all around them: shipped, changed and put back."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from flowyard.errors import RegistryError
from flowyard.plan import Action
from tests.many_flows import Shape, many_flows, names, registry
from tests.support import lock, make_project, write_files
from tests.yard_site import Site


def few(flows: int) -> Shape:
    """A repository of so many flows; every third of them shares the wide folder."""
    return Shape(flows, dependency_sets=5, wide=flows * 3 // 10)


def make(root: Path, shape: Shape) -> Path:
    """The repository with fresh locks."""
    make_project(root, {**many_flows(shape), "registry.toml": registry()})
    shutil.rmtree(root / "flows/hello")
    lock(root)
    return root


def shipped(root: Path, shape: Shape) -> Site:
    """The repository, made and shipped."""
    site = Site(make(root, shape))
    outcomes = site.ship()
    assert {name: one.error for name, one in outcomes.items() if one.error is not None} == {}
    assert tuple(sorted(outcomes)) == names(shape)
    return site


def asked(site: Site, act: Callable[[], object]) -> Counter[tuple[str, str]]:
    """What an act asks of Prefect. The container registry must not be asked at all."""
    site.server.requests.clear()
    site.registry.failure = RegistryError("must not be asked")
    try:
        act()
    finally:
        site.registry.failure = None
    return Counter((method, path) for method, path, _ in site.server.requests)


def assert_a_handful_is_asked(site: Site) -> None:
    """What is asked with nothing to do, whatever the number of flows."""
    seen = Counter({("POST", "/deployments/filter"): 1})
    assert asked(site, site.plan) == seen
    assert asked(site, site.ship) == seen + Counter({("POST", "/artifacts/latest/filter"): 1})


def changed(site: Site, path: str, text: str) -> list[str]:
    """The flows that would be built after a file was changed to this text."""
    file = site.root / path
    before = file.read_text()
    write_files(site.root, {path: text})
    try:
        return sorted(name for name, action in site.actions().items() if action is Action.BUILD)
    finally:
        file.write_text(before)
