"""What the command line says of the flows that it is about, and which flows its words and globs name.

Apart from filters.py, which reads files to choose among them: a wrong word is told before anything else is loaded,
and before anybody is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from flowyard.errors import UsageError
from flowyard.texts import did_you_mean, quoted
from flowyard.values import Flow, Project

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which flows are meant. Without anything said: all of them.

    `changed` leaves those that are deployed as the files want them, which is for the plan to say.
    """

    words: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    changed: bool = False
    with_parents: bool = False
    since: str | None = None


def named(
    project: Project, words: Sequence[str], exclude: Sequence[str], folder: Path | None = None
) -> tuple[Flow, ...]:
    """The flows of the words, without those that are left out. Raises UsageError as `select` does."""
    out = {flow.name for flow in select(project, exclude, folder)} if exclude else set()
    return tuple(flow for flow in select(project, words, folder) if flow.name not in out)


def select(project: Project, words: Iterable[str], folder: Path | None = None) -> tuple[Flow, ...]:
    """The flows that the words name: `etl`, `flows/etl`, a path into the folder, or a glob of either. None: all.

    Paths count from `folder`, the project's root unless said otherwise. Raises UsageError for a word that
    names no flow.
    """
    words = tuple(words)
    if not words:
        return project.flows
    start = folder or project.root
    chosen = {
        flow.name
        for word in words
        for flow in _called(project, word) or _at(project, start, word) or _named(project, start, word)
    }
    return tuple(flow for flow in project.flows if flow.name in chosen)


def _called(project: Project, word: str) -> tuple[Flow, ...]:
    """The flow of that name, also in another flow's folder, where the word could be a path as well."""
    return tuple(flow for flow in project.flows if flow.name == word)


def _at(project: Project, start: Path, word: str) -> tuple[Flow, ...]:
    """The flow whose folder the path leads to or into. What is not there may be a name with a mistake in it."""
    path = Path(os.path.normpath(start / word))
    if not os.path.lexists(path):
        return ()
    return tuple(flow for flow in project.flows if path.is_relative_to(project.root / flow.folder))


def _named(project: Project, start: Path, word: str) -> tuple[Flow, ...]:
    """The flows that a name or a glob means; of a path it is the part below flows/."""
    named = _below_flows(project, start, word)
    found = tuple(flow for flow in project.flows if fnmatchcase(flow.name, named))
    if not found:
        names = [flow.name for flow in project.flows]
        listed = ", ".join(names) or "none yet"
        if _GLOB & set(word):
            raise UsageError(f"no flow matches {quoted(word)}; flows: {listed}")
        raise UsageError(f"no flow is called {quoted(word)}{did_you_mean(named, names)}; flows: {listed}")
    return found


def _below_flows(project: Project, start: Path, word: str) -> str:
    path = PurePath(word)
    if path.parent.name in ("flows", ""):
        return path.name
    landing = PurePath(os.path.normpath(start / word))
    if not landing.is_relative_to(project.root / "flows"):
        return word
    parts = landing.relative_to(project.root / "flows").parts
    return parts[0] if parts else word
