"""What the integration tests share: one real Prefect server, and a machine that is left as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from tests.integration.leftovers import MARK, watched
from tests.integration.prefect_server import prefect_server


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails when a process, a container, a volume or an image of the session is still there at its end."""
    if MARK in os.environ:  # who runs several sessions side by side looks when the last has ended
        yield
        return
    with watched() as left:
        yield
    assert left == []


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the shared Prefect server keeps everything."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Path) -> Iterator[str]:
    """The API URL of a real Prefect server, shared by every test: use names of your own in it."""
    with prefect_server(prefect_home) as url:
        yield url


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    """A client of the Docker engine of this machine."""
    with closing(docker.from_env()) as client:
        yield client
