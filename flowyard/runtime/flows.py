"""The module a deployment's entrypoint names: `flowyard.runtime.flows.etl` is the image's flow etl.

A module path, because Prefect then loads the flow where it lies; and this module in between, because it turns
result persistence on without a change to the user's code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flowyard.runtime import codec, marks
from flowyard.runtime.load import find_flow, load_module, split
from flowyard.runtime.tasks import child, parent, pins

if TYPE_CHECKING:
    from prefect import Flow

DESCRIPTION = "/opt/flowyard/description.json"


def __getattr__(name: str) -> Flow[..., Any]:
    """The flow with this id, as the image describes it.

    Raises AttributeError for an id the image does not know, RuntimeError when the file cannot be imported,
    ValueError when FLOWYARD_RESULTS is no address of a folder, StorageFailed when a Docker task has none.
    """
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    path = Path(os.environ.get("FLOWYARD_DESCRIPTION", DESCRIPTION))
    description = json.loads(path.read_text(encoding="utf-8"))
    entrypoints = {flow["id"]: flow["entrypoint"] for flow in description["flows"]}
    if name not in entrypoints:
        raise AttributeError(f"this image has no flow {name!r}; it has: {', '.join(sorted(entrypoints))}")
    marks.note_import_begins(f"importing {entrypoints[name]}")
    flow = _load(description["folder"], entrypoints[name])
    marks.note_import_ended(f"imported {entrypoints[name]}")
    if os.environ.get(pins.ENV):
        flow = parent.calling(flow)
    if os.environ.get(pins.CHILD_ENV):
        return child.called(flow)
    results = os.environ.get("FLOWYARD_RESULTS")
    return persisting(flow, results_folder(results)) if results else flow


def _load(folder: str, entrypoint: str) -> Flow[..., Any]:
    file, function = split(entrypoint)
    try:
        module = load_module(folder, file)
    except AttributeError as error:
        # Prefect takes an AttributeError for "no such flow", and would hide what the file did.
        raise RuntimeError(f"{file} cannot be imported: AttributeError: {error}") from error
    return find_flow(module, file, function, "")[1]


def results_folder(address: str) -> str:
    """The absolute folder of a `file:///...` address. Raises ValueError for anything else."""
    parts = urlsplit(address)
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc or not path.startswith("/"):
        raise ValueError(f"FLOWYARD_RESULTS={address}: this image writes results to file:///<folder> only")
    return path


def persisting(flow: Flow[..., Any], folder: str) -> Flow[..., Any]:
    """`flow` with its result written below `folder`, as far as the user's own choices leave that open."""
    from prefect.serializers import JSONSerializer
    from prefect.settings.context import get_current_settings

    if flow.persist_result is False:
        return flow
    settings = get_current_settings()
    chosen = settings.results.model_fields_set
    if flow.persist_result is None and not settings.results.persist_by_default:
        _keep_task_results_in_memory()
    if flow.result_storage is not None or "default_storage_block" in chosen:
        return flow.with_options(persist_result=True)
    serializer = flow.result_serializer
    if serializer is None and "default_serializer" not in chosen:
        serializer = JSONSerializer(jsonlib=codec.MODULE, object_encoder=None, object_decoder=None)
    ours = flow.with_options(persist_result=True, result_serializer=serializer)
    from prefect.filesystems import LocalFileSystem

    # Not an option above: Prefect accepts only blocks there that its server holds, and a folder needs none.
    ours.result_storage = LocalFileSystem(basepath=folder)
    return ours


def _keep_task_results_in_memory() -> None:
    """Tasks inherit persistence from their flow; the user asked for none, so they keep Prefect's default."""
    from prefect.settings.context import get_current_settings

    tasks = get_current_settings().tasks
    if tasks.default_persist_result is None:
        tasks.default_persist_result = False
