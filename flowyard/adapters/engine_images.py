"""The images of the Docker engine and what its BuildKit keeps, as `clean` looks at them and removes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flowyard.adapters.engine import as_engine_errors, engine
from flowyard.cleaning.holdings import HeldImage, Holdings, Step
from flowyard.runtime.names import PROJECT_LABEL
from flowyard.runtime.tasks.inspected import flow_of, made, names_of
from flowyard.values import Json

if TYPE_CHECKING:
    from docker import DockerClient

_CONFLICT = 409


@contextmanager
def engine_images() -> Iterator[EngineImages]:
    """The engine's images, asked with one client, which is closed at the end. Raises EngineError."""
    with engine() as client:
        yield EngineImages(client)


class EngineImages:
    """The engine as an ImageStore."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    def look(self, project: str) -> Holdings:
        """As ImageStore.look."""
        with as_engine_errors():
            found = self._client.df()
            used = {str(one["ImageID"]) for one in self._client.api.containers(all=True)}
            images = [one for one in found["Images"] or () if _project(one) == project]
            return Holdings(
                images=tuple(image for one in images for image in _held(self._client, one, used)),
                layers=int(found["LayersSize"]),
                steps=tuple(_steps(found["BuildCache"] or ())),
            )

    def remove(self, image: HeldImage) -> bool:
        """As ImageStore.remove: name by name and never by force, so what is in use stays."""
        from docker.errors import APIError, ImageNotFound

        with as_engine_errors():
            for name in image.names or (image.id,):
                try:
                    self._client.api.remove_image(name)
                except ImageNotFound:  # the last tag took the digest with it
                    continue
                except APIError as error:
                    if error.status_code != _CONFLICT:
                        raise
                    return False
            return not _is_there(self._client, image.id)

    def forget(self, step: Step) -> bool:
        """As ImageStore.forget."""
        which: Any = {"id": [step.id]}  # the stubs of the package do not know that one
        with as_engine_errors():
            answer = self._client.api.prune_builds(filters=which)
        return bool(answer.get("CachesDeleted"))


def _project(image: Mapping[str, Json]) -> str | None:
    return (image.get("Labels") or {}).get(PROJECT_LABEL)


def _held(client: DockerClient, image: Mapping[str, Json], used: set[str]) -> Iterator[HeldImage]:
    from docker.errors import ImageNotFound

    try:
        inspected = client.images.get(str(image["Id"])).attrs
    except ImageNotFound:  # it has just been removed
        return
    yield HeldImage(
        id=str(image["Id"]),
        names=names_of(inspected),
        flow=flow_of(inspected),
        made=made(inspected),
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
