"""Which flows a change of files may concern, told from the paths alone.

Wide rather than narrow: what a path cannot say (which flow a line of registry.toml is about) is taken to concern
every flow. The plan then compares each with what is deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath

from flowyard.lock import locks_of
from flowyard.render import Rendered
from flowyard.values import Flow, Project

# Of these a path does not say whom it concerns: settings and pins of all flows, and what every image is made with.
_OF_ALL = (PurePath("registry.toml"), PurePath("images/bases.lock"), PurePath("images/scripts"))


def touched_since(
    project: Project,
    flows: Iterable[Flow],
    paths: Iterable[str],
    render: Callable[[Path, Flow, tuple[str, ...]], Rendered],
) -> set[str]:
    """The names of the flows that one of the changed `paths` may concern. Raises what `want` raises."""
    changed = [PurePath(path) for path in paths]
    return {
        flow.name
        for flow in flows
        if any(_concerns(path, _places(project, flow, render)) for path in changed)
    }


def _places(
    project: Project, flow: Flow, render: Callable[[Path, Flow, tuple[str, ...]], Rendered]
) -> set[PurePath]:
    """Files and folders that the flow is made from. What was looked for in vain counts: it may have been there."""
    locks = locks_of(project.root, flow)
    rendered = render(project.root, flow, locks.install)
    linked = [
        (project.root / path).resolve() for _, path in locks.files
    ]  # a lock may be a link to a shared one
    inside = [path.relative_to(project.root) for path in linked if path.is_relative_to(project.root)]
    own = [] if flow.dependencies.file is None else [flow.dependencies.file]
    paths = (flow.folder, *flow.includes, *rendered.templates, *rendered.absent, *own, *inside)
    return {*_OF_ALL, *map(PurePath, paths), *(PurePath(path) for _, path in locks.files)}


def _concerns(path: PurePath, places: set[PurePath]) -> bool:
    return path in places or not places.isdisjoint(path.parents)
