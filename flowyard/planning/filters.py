"""Which of the flows that were named (selection.py) a command is about: what was touched since, and who calls them.

Git has a say only as one filter more: what is deployed is what decides whether there is anything to do, so a
filter that is too wide costs nothing, and one that is too narrow says what it left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flowyard.planning.context import source_files
from flowyard.planning.docker_tasks import tasks_of
from flowyard.planning.selection import Selection, named
from flowyard.planning.touched import touched_since
from flowyard.render import Renderer
from flowyard.target import Target
from flowyard.texts import shortened
from flowyard.values import Flow, Project

_SHOWN_NAMES = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """The flows that are meant. `whole`: they are all there are, so what belongs to no folder any more is meant
    as well. `notes` say what a filter left out."""

    flows: tuple[Flow, ...]
    whole: bool
    notes: tuple[str, ...] = ()


class FileChanges(Protocol):
    """What version control knows about changed files."""

    def changed_since(self, reference: str) -> tuple[str, ...]:
        """Paths below the root that differ from where the checked-out commit left `reference`, new files as well.

        Raises UsageError when the reference is not known here, or its history is not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What choosing looks at beside the project: the folder that paths count from, git, templates and the target."""

    folder: Path
    changes: FileChanges
    render: Renderer
    target: Target


def choose(project: Project, selection: Selection, around: Surroundings) -> Chosen:
    """The flows that are meant: those of the words, of them what was touched since, with their callers, without
    what is left out. Raises UsageError for a word that names nothing."""
    flows = named(project, selection.words, selection.exclude, around.folder)
    names = {flow.name for flow in flows}
    if selection.since is not None:
        paths = around.changes.changed_since(selection.since)
        names &= touched_since(project, flows, paths, around.render)
    if selection.with_parents:
        names |= callers(names, calls_by_flow(project, around.target))
        names &= {flow.name for flow in named(project, (), selection.exclude, around.folder)}
    out = [flow.name for flow in flows if flow.name not in names]
    notes = () if selection.since is None else _left_out(selection.since, out, len(flows))
    whole = not (selection.words or selection.exclude or selection.since is not None)
    return Chosen(tuple(flow for flow in project.flows if flow.name in names), whole, notes)


def calls_by_flow(project: Project, target: Target) -> Mapping[str, tuple[str, ...]]:
    """Which flows each flow of the target calls as Docker tasks."""
    runs = [flow for flow in project.flows if flow.deployments_on(target.name)]
    return {flow.name: tasks_of(flow, source_files(project.root, flow)) for flow in runs}


def callers(names: Collection[str], calls: Mapping[str, Sequence[str]]) -> set[str]:
    """Everything that calls one of these flows, also by way of others."""
    by_task: dict[str, list[str]] = {}
    for caller, tasks in calls.items():
        for task in tasks:
            by_task.setdefault(task, []).append(caller)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        new = [caller for caller in by_task.get(waiting.pop(), ()) if caller not in found]
        found.update(new)
        waiting += new
    return found


def _left_out(since: str, names: Sequence[str], of: int) -> tuple[str, ...]:
    if not names:
        return ()
    listed = shortened(names, _SHOWN_NAMES)
    return (f"--since {since} leaves out {len(names)} of {of} flows, deployed or not: {listed}",)
