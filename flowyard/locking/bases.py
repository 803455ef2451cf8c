"""Pins base images: a name such as `python:3.13-slim` gets the digest its registry holds today.

The pins are committed (images/bases.lock), so that a build tomorrow stands on the same base; moving to a newer
base is a visible change of that file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowyard.configuration.models import BasesFile
from flowyard.configuration.parse import parse
from flowyard.configuration.paths import BASES_LOCK, LOCAL_FILE
from flowyard.errors import LockError, RegistryError
from flowyard.images import ImageReference
from flowyard.ports import BaseImages
from flowyard.references import parse_reference
from flowyard.values import BaseImage, Flow, Project

_HEADER = "# Base images by digest: made by `python build.py lock`. Commit it.\n[bases]\n"


def pin_bases(
    project: Project, flows: Sequence[Flow], bases: BaseImages, *, upgrade: bool
) -> tuple[Path, ...]:
    """Pin the bases of these flows that are not pinned yet; with `upgrade` also those of the lock.

    Returns the lock when it was written. A base that registry.local.toml replaces is left alone. Raises
    LockError for a base that cannot be looked up.
    """
    held, _ = parse(project.root / BASES_LOCK, BASES_LOCK.as_posix(), BasesFile)
    pinned = {name: (table.reference, table.python) for name, table in held.bases.items()} if held else {}
    wanted = {flow.base.name: flow.base for flow in flows}
    for name, base in wanted.items():
        if base.reference is None or (upgrade and name in pinned):
            pinned[name] = _pin(base, bases)
    before = (project.root / BASES_LOCK).read_text(encoding="utf-8") if held else ""
    lines = [
        f'"{name}" = {{ reference = "{reference}", python = "{python}" }}'
        for name, (reference, python) in sorted(pinned.items())
    ]
    text = _HEADER + "\n".join([*lines, ""])
    if not pinned or text == before:
        return ()
    (project.root / BASES_LOCK).write_text(text, encoding="utf-8")
    return (BASES_LOCK,)


def _pin(base: BaseImage, bases: BaseImages) -> tuple[str, str]:
    repository, tag, digest = parse_reference(base.name)
    if digest is not None:
        if base.python is None:
            raise LockError(
                f"base image {base.name} does not say which Python it holds",
                hint='set `python = "3.13"` beside `base`',
            )
        return base.name, base.python
    try:
        found, environment = bases.base(ImageReference(repository, tag or "latest"))
    except RegistryError as error:
        raise LockError(
            f"base image {base.name} cannot be pinned: {error.message}",
            hint="where no image registry can be reached, scripts/demo of Flowyard's repository makes a stand-in: "
            f"run it there, and copy its {LOCAL_FILE}",
        ) from error
    python = base.python or ".".join(environment.get("PYTHON_VERSION", "").split(".")[:2])
    if not python:
        raise LockError(
            f"base image {base.name} does not say which Python it holds",
            hint='set `python = "3.13"` beside `base`',
        )
    return f"{repository}{f':{tag}' if tag else ''}@{found}", python
