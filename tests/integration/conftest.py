"""What the integration tests share: one real Prefect server for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.prefect_server import prefect_server


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the shared Prefect server keeps everything."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Path) -> Iterator[str]:
    """The API URL of a real Prefect server, shared by every test: use names of your own in it."""
    with prefect_server(prefect_home) as url:
        yield url
