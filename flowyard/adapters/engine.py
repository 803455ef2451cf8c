"""The Docker engine, through the `docker` package: everything but builds, which need BuildKit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flowyard.errors import EngineError
from flowyard.render import RESULTS_FOLDER
from flowyard.run import ResultPlace
from flowyard.values import Json

if TYPE_CHECKING:
    import docker


def engine() -> docker.DockerClient:
    """The engine that the user's Docker context and environment name. Raises EngineError."""
    import docker

    try:
        return docker.from_env()
    except docker.errors.DockerException as error:
        raise EngineError(
            f"no Docker engine answers: {error}",
            hint="start Docker, or run scripts/engine, which says what is missing",
        ) from error


class VolumeResults:
    """Results in a volume of the local engine, read by the image that wrote them."""

    def read(self, image: str, volume: str, place: ResultPlace) -> Json:
        """The result as JSON. Raises EngineError with what the image said."""
        import docker

        client = engine()
        try:
            output = client.containers.run(
                image,
                ["python", "-m", "flowyard.runtime.result", place.key, place.serializer],
                volumes=[f"{volume}:{RESULTS_FOLDER}:ro"],
                network_mode="none",
                remove=True,
                stdout=True,
                stderr=False,
            )
        except docker.errors.ContainerError as error:
            raise EngineError(f"the result {place.key} could not be read: {_text(error.stderr)}") from error
        except (docker.errors.DockerException, OSError) as error:
            raise EngineError(f"the result {place.key} could not be read: {error}") from error
        finally:
            client.close()
        return json.loads(output)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace").strip() if isinstance(output, bytes) else output or ""
