"""The module a deployment's entrypoint names: `flowyard.runtime.flows.etl` is the image's flow etl.

A module path, because Prefect then loads the flow where it lies; and this module in between, because it turns
result persistence on without a change to the user's code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowyard.runtime import marks
from flowyard.runtime.load import find_flow, load_module, split
from flowyard.runtime.names import CHILD_ENV, DESCRIPTION, PINS_ENV, RESULTS_ENV
from flowyard.runtime.persistence import persisting
from flowyard.runtime.tasks import child, parent

if TYPE_CHECKING:
    from prefect import Flow


def __getattr__(name: str) -> Flow[..., Any]:
    """The flow with this id, as the image describes it.

    Raises AttributeError for an id the image does not know, RuntimeError when the file cannot be imported,
    ValueError when FLOWYARD_RESULTS is no address of a storage, StorageFailed when a Docker task has none.
    """
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    flow = described(name)
    if os.environ.get(PINS_ENV):
        flow = parent.calling(flow)
    if os.environ.get(CHILD_ENV):
        return child.called(flow)
    results = os.environ.get(RESULTS_ENV)
    return persisting(flow, results) if results else flow


def described(name: str) -> Flow[..., Any]:
    """The flow with this id as its file has it. Raises as `__getattr__`."""
    path = Path(os.environ.get("FLOWYARD_DESCRIPTION", DESCRIPTION))
    description = json.loads(path.read_text(encoding="utf-8"))
    entrypoints = {flow["id"]: flow["entrypoint"] for flow in description["flows"]}
    if name not in entrypoints:
        raise AttributeError(f"this image has no flow {name!r}; it has: {', '.join(sorted(entrypoints))}")
    marks.note_import_begins(f"importing {entrypoints[name]}")
    flow = _load(description["folder"], entrypoints[name])
    marks.note_import_ended(f"imported {entrypoints[name]}")
    return flow


def _load(folder: str, entrypoint: str) -> Flow[..., Any]:
    file, function = split(entrypoint)
    try:
        module = load_module(folder, file)
    except AttributeError as error:
        # Prefect takes an AttributeError for "no such flow", and would hide what the file did.
        raise RuntimeError(f"{file} cannot be imported: AttributeError: {error}") from error
    return find_flow(module, file, function, "")[1]
