"""What holds for every unit test: no network, no process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import urllib3  # noqa: F401  # it opens a socket when it is imported, to see whether there is IPv6

from tests.fuse import no_network_and_no_processes


@pytest.fixture(autouse=True)
def fuse() -> Iterator[list[str]]:
    """Fails the test that opens a socket or starts a process; see tests/fuse.py."""
    with no_network_and_no_processes() as tried:
        yield tried


def pytest_collection_finish() -> None:
    """What was imported stays; walking through it time and again took a sixth of the suite's time."""
    gc.freeze()
    gc.set_threshold(50_000)
