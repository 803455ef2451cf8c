"""The deployments of a target that are there, by the flow they come from.

What the plan compares, a run is found in and a pin is copied from: each looks at the same ones, read once from what
the API answered, in which people may have changed or removed anything.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowyard.deployed import Deployments, read_deployments
from flowyard.images import PublishedImage
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import Marks, image_in, was_touched
from flowyard.values import Json


@dataclass(frozen=True, slots=True)
class LiveDeployment:
    """A deployment of ours as it is in Prefect now.

    `image` is what its runs are started with, None where somebody removed it from the job variables. `parameters` are
    those of a run that is given none. `raw` is what the API answered, for what compares or copies all of it.
    """

    id: str
    name: str
    marks: Marks
    image: str | None
    parameters: Mapping[str, Json]
    parameter_schema: Mapping[str, Json]
    work_queue: str | None
    raw: Mapping[str, Json]

    @classmethod
    def of(cls, raw: Mapping[str, Json]) -> LiveDeployment | None:
        """A deployment read from the API, None when it is not ours."""
        marks = Marks.of(raw)
        if marks is None:
            return None
        return cls(
            id=str(raw["id"]),
            name=str(raw["name"]),
            marks=marks,
            image=job_image(raw),
            parameters=raw.get("parameters") or {},
            parameter_schema=raw.get("parameter_openapi_schema") or {},
            work_queue=raw.get("work_queue_name"),
            raw=raw,
        )

    @property
    def registered_image(self) -> PublishedImage | None:
        """The image it was registered with, None where that is not known any more."""
        return image_in(self.raw)

    @property
    def is_touched(self) -> bool:
        """Whether somebody changed it since Flowyard registered it (pausing does not count)."""
        return was_touched(self.raw)

    @property
    def calls(self) -> Mapping[str, str]:
        """The releases of the Docker tasks that it calls, by their flow's name."""
        try:
            found = json.loads(self.marks.calls or "{}")
        except ValueError:  # somebody changed the mark
            return {}
        return {flow: str(release) for flow, release in found.items()} if isinstance(found, dict) else {}


Live = Mapping[str, tuple[LiveDeployment, ...]]  # by flow


def job_image(raw: Mapping[str, Json]) -> str | None:
    """The image in a deployment's job variables, whoever made it; None where there is none."""
    image = (raw.get("job_variables") or {}).get("image")
    return str(image) if image else None


def released(live: Iterable[LiveDeployment]) -> str | None:
    """The one release that a flow's live deployments are of; None where they are of several, or of none."""
    found = {one.marks.release for one in live}
    return found.pop() if len(found) == 1 else None


def deployments_by_flow(api: PrefectApi, project: str, target: str) -> Live:
    """The project's deployments on one target. Raises PrefectError."""
    return by_flow(read_deployments(api, project), project, target)


def by_flow(deployments: Deployments, project: str, target: str) -> Live:
    """Those of one target."""
    found: dict[str, list[LiveDeployment]] = defaultdict(list)
    for raw in deployments:
        live = LiveDeployment.of(raw)
        if live is not None and (live.marks.project, live.marks.target) == (project, target):
            found[live.marks.flow].append(live)
    return {flow: tuple(items) for flow, items in found.items()}
