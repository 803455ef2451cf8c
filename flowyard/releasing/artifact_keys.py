"""The keys of the artifacts that records and heads are kept as.

Apart, because Prefect allows fewer characters in a key than names of projects and flows have.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def artifact_key(project: str, target: str, flow: str | None = None) -> str:
    """The artifact key of a flow's records, or of the target's head without a flow.

    Prefect allows lowercase letters, digits and dashes only. Different names never make the same key: two
    dashes part the names, three stand for an underscore. Raises ValueError for a name that is none.
    """
    names = (project, target) if flow is None else (project, target, flow)
    return "--".join(["flowyard", *map(_slug, names)])


def _slug(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name: {name!r}")
    return re.sub(r"[_-]+", _dashes, name)


def _dashes(run: re.Match[str]) -> str:
    """One dash is itself, one underscore is three; a longer run is spelled between four and four."""
    special = run.group()
    plain = {"-": "-", "_": "---"}.get(special)
    return plain or f"----{special.translate({ord('-'): '0', ord('_'): '1'})}----"
