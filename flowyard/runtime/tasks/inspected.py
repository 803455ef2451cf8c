"""What the Docker engine says of an image that was built of a flow, and which one of a flow is its newest.

The machine reads it as well: what is called where nothing was shipped, is what `clean` keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar


class Dated(Protocol):
    """An image: the folder below flows/ that it runs in, "" where that is none, and when it was made last."""

    @property
    def flow(self) -> str:
        """The flow."""
        ...

    @property
    def made(self) -> datetime:
        """The time."""
        ...


Kind = TypeVar("Kind", bound=Dated)


def newest(images: Iterable[Kind]) -> dict[str, Kind]:
    """The one of each flow that was made last."""
    found: dict[str, Kind] = {}
    for image in images:
        if image.flow and (image.flow not in found or image.made > found[image.flow].made):
            found[image.flow] = image
    return found


def flow_of(image: Mapping[str, Any]) -> str:
    """The folder below flows/ that an image runs in, "" where that is none."""
    folder = PurePosixPath(str(image["Config"].get("WorkingDir", "")))
    return folder.name if folder.parent.name == "flows" else ""


def made(image: Mapping[str, Any]) -> datetime:
    """When it was built or, as an unchanged one is when it is built again, tagged."""
    tagged = (image.get("Metadata") or {}).get("LastTagTime") or image["Created"]
    return max(datetime.fromisoformat(moment) for moment in (tagged, image["Created"]))


def names_of(image: Mapping[str, Any]) -> tuple[str, ...]:
    """`repository:tag` and `repository@digest`; none once another was built in its place."""
    return (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ()))
