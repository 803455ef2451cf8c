"""Writes the report page: collects what was seen of a command, and puts it into one file."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flowyard.building.timeline import kept_steps
from flowyard.errors import FlowyardError
from flowyard.images import Layer, published
from flowyard.ports import ImageLayers
from flowyard.reporting.account import Account
from flowyard.reporting.page import page
from flowyard.reporting.page_document import Seen, document
from flowyard.state_folder import STATE_FOLDER, build_log
from flowyard.values import Project

_AT_ONCE = 8  # images whose layers are asked for
Found = dict[str, tuple[Layer, ...]]


def write_page(path: Path, account: Account, project: Project, images: ImageLayers, began: float) -> None:
    """Write the page. Raises OSError."""
    state = project.root / STATE_FOLDER
    layers, notes = _layers(account, images)
    seen = Seen(
        project.name,
        began,
        time.time() - began,
        steps={flow.flow: kept_steps(build_log(state, flow.flow), began) for flow in account.flows},
        layers=layers,
        notes=notes,
    )
    path.write_text(page(document(account, seen)), encoding="utf-8")


def _layers(account: Account, images: ImageLayers) -> tuple[Found, tuple[str, ...]]:
    """The layers of the images that the registry holds, and what could not be found out."""
    wanted = {flow.flow: flow.image for flow in account.flows if flow.image and "@sha256:" in flow.image}
    found: Found = {}
    notes: list[str] = []

    def ask(flow: str) -> None:
        try:
            found[flow] = images.layers(published(wanted[flow]))
        except FlowyardError as error:
            notes.append(f"The layers of {flow} are not known: {error.message}")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(ask, wanted))
    return found, tuple(sorted(notes))
