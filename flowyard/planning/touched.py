"""Which flows a change of files may concern, told from the paths alone.

Wide rather than narrow: what a path cannot say (which flow a line of registry.toml is about) is taken to concern
every flow. The plan then compares each with what is deployed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from flowyard.configuration.paths import BASES_LOCK, REGISTRY_FILE
from flowyard.locking.locks import locks_of
from flowyard.planning.context import RUNTIME_FOLDER
from flowyard.render import Renderer
from flowyard.values import Flow, Project

# Of these a path does not say whom it concerns: settings and pins of all flows, and what every image is made with.
_OF_ALL = (PurePath(REGISTRY_FILE), BASES_LOCK, PurePath("images/scripts"))
# What of Flowyard's own package is in every image, as planning.context puts it there.
_IN_IMAGES = ("__init__.py", "runtime")


def touched_since(
    project: Project,
    flows: Iterable[Flow],
    paths: Iterable[str],
    render: Renderer,
    package: Path = RUNTIME_FOLDER.parent,
) -> set[str]:
    """The names of the flows that one of the changed `paths` may concern. `package` is where Flowyard itself lies.
    Raises what `want` raises."""
    changed = [PurePath(path) for path in paths]
    if not changed:
        return set()
    of_all = {*_OF_ALL, *_own_part(project.root, package)}
    places = {flow.name: of_all | _places(project, flow, render) for flow in flows}
    return {name for name, found in places.items() if any(_concerns(path, found) for path in changed)}


def _own_part(root: Path, package: Path) -> set[PurePath]:
    """What is in every image of Flowyard, where it is part of the repository."""
    around, inside = root.resolve(), package.resolve()
    if not inside.is_relative_to(around):
        return set()
    return {inside.relative_to(around) / name for name in _IN_IMAGES}


def _places(project: Project, flow: Flow, render: Renderer) -> set[PurePath]:
    """Files and folders that the flow is made from. What was looked for in vain counts: it may have been there."""
    locks = locks_of(project.root, flow)
    rendered = render(project.root, flow, locks.install)
    # A lock may be a link to a shared one.
    linked = [(project.root / path).resolve() for _, path in locks.files]
    inside = [path.relative_to(project.root) for path in linked if path.is_relative_to(project.root)]
    own = [] if flow.dependencies.file is None else [flow.dependencies.file]
    paths = (flow.folder, *flow.includes, *rendered.templates, *rendered.absent, *own, *inside)
    return {*map(PurePath, paths), *(PurePath(path) for _, path in locks.files)}


def _concerns(path: PurePath, places: set[PurePath]) -> bool:
    return path in places or not places.isdisjoint(path.parents)
