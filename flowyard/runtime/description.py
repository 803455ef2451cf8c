"""The description of an image's flows: what they are called and take, as the image itself sees them.

Made by importing them, where they will run: whatever stands beside the code (a parsed signature, a stub) can
differ from it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyard.runtime.bounds import Bounds
from flowyard.runtime.failures import CheckError, import_failure
from flowyard.runtime.names import DESCRIPTION_FORMAT


@dataclass(frozen=True)
class Request:
    """What to describe: the flow's folder `name`, the minor version it was locked for, its entrypoints."""

    name: str
    python: str
    entrypoints: Sequence[str]
    bounds: Bounds = field(default_factory=Bounds)


class Progress:
    """Notes which file is being imported, for whoever finds this process dead."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._process = os.getpid()

    @property
    def ours(self) -> bool:
        """False in a copy of this process that a flow's code made with `os.fork`: it has nothing to say."""
        return os.getpid() == self._process

    def importing(self, file: str) -> None:
        """`file` (relative to the flow's folder) is being imported from now on; empty: none is."""
        if self.ours:
            self._note.write_text(file, encoding="utf-8")


@dataclass(frozen=True)
class Described:
    """The description, and the defaults that may be others at the next import.

    Each of those: the flow's `id`, the `parameter`, and how a message names both.
    """

    document: dict[str, Any]
    doubtful: list[dict[str, str]]


def describe(request: Request, progress: Progress) -> Described:
    """The description of the flows that are asked for, imported from the working directory. Raises CheckError."""
    running = platform.python_version()
    python = request.python
    if running.split(".")[:2] != python.split(".")[:2]:
        raise CheckError(
            "wrong-python",
            f"the base image has Python {running}, and the flow was locked for {python}",
            hint=f"Use a base image with Python {python}, or lock the flow again.",
        )
    # Before any flow: a file is not to be named for the time that Prefect itself takes.
    from prefect import __version__ as prefect

    folder = str(Path.cwd())
    found = [_describe_flow(folder, requested, request, progress) for requested in request.entrypoints]
    flows = [flow for flow, _ in found]
    _require_unique(flows)
    document = {
        "version": DESCRIPTION_FORMAT,
        "python": running,
        "prefect": prefect,
        "distributions": _distributions(sys.path),
        "folder": folder,
        "flows": flows,
    }
    return Described(document, [each for _, doubtful in found for each in doubtful])


def _describe_flow(
    folder: str, requested: str, request: Request, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    from flowyard.runtime.load import find_flow, load_module, split
    from flowyard.runtime.parameters import describe_parameters
    from flowyard.runtime.signature import describe_signature

    file, function = split(requested)
    progress.importing(file)
    try:
        module = load_module(folder, file)
    except BaseException as error:  # a user's module may raise anything, SystemExit too
        raise import_failure(error, file, request.bounds) from error
    progress.importing("")
    attribute, flow = find_flow(module, file, function, request.name)
    parameters = describe_parameters(flow, file)
    identity = attribute.replace(".", "_")
    doubtful = [
        {"id": identity, "parameter": name, "file": file, "shown": f"flow {flow.name!r} in {file}: {shown}"}
        for name, shown in parameters.doubtful.items()
    ]
    return {
        "id": identity,
        "requested": requested,
        "entrypoint": f"{file}:{attribute}",
        "name": flow.name,
        "description": flow.description,
        "parameter_schema": parameters.schema,
        "enforce_parameter_schema": flow.should_validate_parameters,
        "types": parameters.types,
        "signature": describe_signature(flow.fn, folder),
    }, doubtful


def _require_unique(flows: Sequence[dict[str, Any]]) -> None:
    seen: dict[str, str] = {}
    for flow in flows:
        first = seen.setdefault(flow["id"], flow["requested"])
        if first != flow["requested"]:
            raise CheckError(
                "ambiguous-flow",
                f"{first} and {flow['requested']} are both called {flow['id']!r}",
                file=flow["entrypoint"].partition(":")[0],
                hint="Functions of one image need different names: rename one.",
            )


def _distributions(path: Sequence[str]) -> dict[str, str]:
    """Installed distributions, normalised name to version, from the names of their metadata folders."""
    found: dict[str, str] = {}
    for folder in path:
        for entry in sorted(Path(folder).glob("*.dist-info")):
            match = re.fullmatch(r"(.+?)-([^-]+)\.dist-info", entry.name)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2])
    return found
