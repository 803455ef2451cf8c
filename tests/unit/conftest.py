"""What holds for every unit test: no network, no process."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator

import pytest
import urllib3  # noqa: F401  # it opens a socket when it is imported, to see whether there is IPv6

from tests.fuse import no_network_and_no_processes

# Walking through what was imported, time and again while more is, took a sixth of the suite's time.
gc.set_threshold(50_000)
# As entry.py does: looking for pydantic's plugins reads the metadata of every installed package.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Prefect reads its settings once, when the first test imports it: they are nobody's own.
PREFECT_HOME = tempfile.TemporaryDirectory(prefix="flowyard-prefect-")
os.environ.update(PREFECT_HOME=PREFECT_HOME.name, DO_NOT_TRACK="1")


@pytest.fixture(autouse=True)
def fuse() -> Iterator[list[str]]:
    """Fails the test that opens a socket or starts a process; see tests/fuse.py."""
    with no_network_and_no_processes() as tried:
        yield tried


def pytest_collection_finish() -> None:
    """What was imported stays."""
    gc.freeze()
