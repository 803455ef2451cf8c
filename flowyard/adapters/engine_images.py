"""The images of the Docker engine and what its BuildKit keeps, as `clean` looks at them and removes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from flowyard.adapters.engine import engine
from flowyard.cleaning.holdings import HeldImage, Holdings, Step
from flowyard.values import Json

if TYPE_CHECKING:
    from docker import DockerClient

PROJECT_LABEL = "io.flowyard.project"  # as a build writes it
_CONFLICT = 409


class EngineImages:
    """The engine as an ImageStore. A client is opened for each question: there are few."""

    def look(self, project: str) -> Holdings:
        """As ImageStore.look."""
        with engine() as client:
            found = client.df()
            used = {str(one["ImageID"]) for one in client.api.containers(all=True)}
            images = [one for one in found["Images"] or () if _project(one) == project]
            return Holdings(
                images=tuple(image for one in images for image in _held(client, one, used)),
                layers=int(found["LayersSize"]),
                steps=tuple(_steps(found["BuildCache"] or ())),
            )

    def remove(self, image: HeldImage) -> bool:
        """As ImageStore.remove: name by name and never by force, so what is in use stays."""
        from docker.errors import APIError, ImageNotFound

        with engine() as client:
            for name in image.names or (image.id,):
                try:
                    client.api.remove_image(name)
                except ImageNotFound:  # the last tag took the digest with it
                    continue
                except APIError as error:
                    if error.status_code != _CONFLICT:
                        raise
                    return False
            return not _is_there(client, image.id)

    def forget(self, step: Step) -> bool:
        """As ImageStore.forget."""
        which: Any = {"id": [step.id]}  # the stubs of the package do not know that one
        with engine() as client:
            answer = client.api.prune_builds(filters=which)
        return bool(answer.get("CachesDeleted"))


def _project(image: Mapping[str, Json]) -> str | None:
    return (image.get("Labels") or {}).get(PROJECT_LABEL)


def _held(client: DockerClient, image: Mapping[str, Json], used: set[str]) -> Iterator[HeldImage]:
    from docker.errors import ImageNotFound

    try:
        inspected = client.images.get(str(image["Id"])).attrs
    except ImageNotFound:  # it has just been removed
        return
    tagged = (inspected.get("Metadata") or {}).get("LastTagTime") or inspected["Created"]
    folder = PurePosixPath(str(inspected["Config"].get("WorkingDir", "")))
    yield HeldImage(
        id=str(image["Id"]),
        names=(*(inspected.get("RepoTags") or ()), *(inspected.get("RepoDigests") or ())),
        flow=folder.name if folder.parent.name == "flows" else "",
        made=max(datetime.fromisoformat(moment) for moment in (tagged, inspected["Created"])),
        own=int(image["Size"]) - max(0, int(image["SharedSize"])),
        used=str(image["Id"]) in used,
    )


def _steps(records: Iterable[Mapping[str, Json]]) -> Iterator[Step]:
    """The youngest first, as nothing can go before what is built upon it. Cache mounts are no steps."""
    for one in sorted(records, key=lambda record: str(record["CreatedAt"]), reverse=True):
        if one["Type"] == "regular":
            below = one.get("Parents") or one.get(" Parents") or ()  # as engines up to 28 spell it
            yield Step(
                str(one["ID"]), int(one["Size"]), tuple(below), bool(one["Shared"]), bool(one["InUse"])
            )


def _is_there(client: DockerClient, image: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True
