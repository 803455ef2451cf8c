"""Plain `docker buildx bake` of flows as we render them: what building alone takes, with the check."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.scale_site import Ours, bake
from benchmarks.timing import Timed
from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest
from flowyard.building.workshop import build_request
from flowyard.commands.opening import open_project
from flowyard.images import Repository
from flowyard.planning.desired import want
from flowyard.wiring import open_workshop


class Baked:
    """The same images of some flows, in repositories of their own, by one bake file."""

    def __init__(self, ours: Ours, flows: Sequence[str]) -> None:
        self._ours, self._flows = ours, frozenset(flows)
        self._file = ours.site.top / "bake.json"
        self.stage()

    def stage(self) -> None:
        """Write contexts and bake file for what the repository holds now."""
        project = open_project(self._ours.folder)
        workshop = open_workshop(project, project.targets["local"], SilentProgress())
        targets = {}
        for flow in project.flows:
            if flow.name in self._flows:
                desired = want(project, flow, workshop.target)
                host = desired.reference.repository.host
                request = build_request(
                    workshop, desired, None, push_to=Repository(host, f"baked/{flow.name}")
                )
                targets[flow.name] = _target(request)
        content = {"group": {"default": {"targets": sorted(targets)}}, "target": targets}
        self._file.write_text(json.dumps(content), encoding="utf-8")

    def run(self) -> Timed:
        """Bake and push all of them."""
        return bake(self._file)


def _target(request: BuildRequest) -> dict[str, Any]:
    secrets = [
        f"id={one.id},src={one.file}" if one.file else f"id={one.id},env={one.env}" for one in request.secrets
    ]
    return {
        "context": str(request.context),
        "tags": [str(request.reference)],
        "labels": dict(request.labels),
        "platforms": list(request.platforms),
        "secret": secrets,
    }
