"""Which image a flow is called in where nothing was shipped: the one of its folder that was made last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flowyard.runtime.tasks import inspected
from flowyard.runtime.tasks.errors import NotPinned
from flowyard.runtime.tasks.inspected import flow_of, made, names_of

_ROOT = "registry.toml"


@dataclass(frozen=True)
class Image:
    """An image of the local engine: its id, and what people know it by."""

    id: str
    reference: str


@dataclass(frozen=True)
class _Found:
    flow: str
    made: datetime
    said: Mapping[str, Any]


def project_above(folders: Iterable[Path]) -> str:
    """The name of the project that one of these folders belongs to. Raises NotPinned."""
    import tomllib  # of Python 3.11, which is what the package itself takes; images have older ones as well

    looked = list(folders)
    for folder in looked:
        for root in (folder, *folder.parents):
            if (root / _ROOT).is_file():
                try:
                    return str(tomllib.loads((root / _ROOT).read_text("utf-8"))["project"]["name"])
                except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
                    raise NotPinned(f"{root / _ROOT} does not say the project's name: {error}") from error
    places = " and ".join(str(folder) for folder in looked)
    raise NotPinned(
        f"Docker tasks of a flow that is run by itself are found by the project's name, and there is no {_ROOT} "
        f"above {places}: run it in the project's folder"
    )


def newest(images: Iterable[Mapping[str, Any]], task: str) -> Image:
    """The image of this flow that was made or tagged last. Raises NotPinned."""
    by_flow = inspected.newest(_Found(flow_of(one), made(one), one) for one in images)
    if task not in by_flow:
        raise NotPinned(
            f"there is no image of flows/{task} on the local Docker engine: build it, or ship it. "
            f"There are images of: {', '.join(sorted(by_flow)) or 'no flow yet'}",
            task=task,
        )
    last = by_flow[task].said
    return Image(last["Id"], next(iter(names_of(last)), last["Id"]))


def flow_in(description: Mapping[str, Any], task: str, deployment: str | None) -> Mapping[str, Any]:
    """The flow of an image that a call means, as its description has it. Raises NotPinned.

    What a deployment is, only the files say; here its name may be a flow's.
    """
    flows: Mapping[str, Mapping[str, Any]] = {flow["id"]: flow for flow in description["flows"]}
    for name in (deployment or task.replace("-", "_"),):
        if name in flows:
            return flows[name]
    if len(flows) == 1:
        return next(iter(flows.values()))
    raise NotPinned(
        f"flows/{task} has the flows {', '.join(sorted(flows))}: where nothing is shipped, "
        f"docker_task({task!r}).with_options(deployment=...) names one of them",
        task=task,
    )
