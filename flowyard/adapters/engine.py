"""The Docker engine, through the `docker` package: everything but builds, which need BuildKit.

The package is imported where it is used, because a command that asks no engine needs none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from flowyard.errors import EngineError
from flowyard.render import RESULTS_FOLDER
from flowyard.values import Json, ResultPlace

if TYPE_CHECKING:
    from docker import DockerClient


@contextmanager
def engine() -> Iterator[DockerClient]:
    """A client of the engine that the user's Docker context and environment name, closed at the end.

    Every error of the engine leaves this block as EngineError.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client = docker.from_env()
    except (DockerException, RequestException) as error:
        raise EngineError(
            f"no Docker engine answers: {error}",
            hint="start Docker, or run scripts/engine, which says what is missing; DOCKER_HOST, if set, has to"
            " name a local engine",
        ) from error
    with closing(client), as_engine_errors():
        client.ping()
        yield client


@contextmanager
def as_engine_errors() -> Iterator[None]:
    """Every error of the engine leaves this block as EngineError."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise EngineError(
            f"the Docker engine did not do what was asked: {error}",
            hint="check that it runs and that DOCKER_HOST, if set, names a local engine (`docker info`)",
        ) from error


class VolumeResults:
    """Results in a volume of the local engine, read by the image that wrote them."""

    def __init__(self, volume: str) -> None:
        self._volume = volume

    def read(self, image: str, place: ResultPlace) -> Json:
        """The result as JSON. Raises EngineError with what the image said."""
        from docker.errors import ContainerError

        with engine() as client:
            try:
                output = client.containers.run(
                    image,
                    ["python", "-m", "flowyard.runtime.result", place.key, place.serializer],
                    volumes=[f"{self._volume}:{RESULTS_FOLDER}:ro"],
                    network_mode="none",
                    remove=True,
                    stdout=True,
                    stderr=False,
                )
            except ContainerError as error:
                said = _text(error.stderr)
                raise EngineError(f"the result {place.key} could not be read: {said}") from error
        return json.loads(output)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace").strip() if isinstance(output, bytes) else output or ""
