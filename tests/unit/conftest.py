"""What holds for every unit test: no network, no process."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3  # noqa: F401  # it opens a socket when it is imported, to see whether there is IPv6

from tests.fuse import no_network_and_no_processes
from tests.halves import Halves

# Walking through what was imported, time and again while more is, took a sixth of the suite's time.
gc.disable()
# Rewriting the asserts of all these modules takes as long as running half of them: what comes of it is kept, also
# where the environment would have no bytecode beside sources.
BYTECODE, sys.dont_write_bytecode = sys.dont_write_bytecode, False
# As entry.py does: looking for pydantic's plugins reads the metadata of every installed package.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Prefect reads its settings once, when the first test imports it: they are nobody's own.
PREFECT_HOME = tempfile.TemporaryDirectory(prefix="flowyard-prefect-")
os.environ.update(PREFECT_HOME=PREFECT_HOME.name, DO_NOT_TRACK="1")

# Where Prefect is loaded, which takes as long as a tenth of all tests. A file that is missing here loads it once more.
WITH_PREFECT = frozenset(
    f"test_{name}.py"
    for name in (
        *("contract", "mistakes_shipped", "observe", "results", "stubs", "testing"),
        *("runtime_codec", "runtime_describe", "runtime_load", "runtime_losses", "runtime_parameters"),
        *("runtime_storage", "runtime_varying", "tasks_calls", "tasks_child", "tasks_local"),
        *("tasks_performing", "tasks_server", "tasks_waiting"),
    )
)
HERE, MEMORY, ENOUGH = Path(__file__).parent, Path("/dev/shm"), 256 << 20


def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders are in memory where there is some, as long as only unit tests are run: making and removing
    small files on a disk took a sixth of their time, and most of it while others use the disk."""
    only_unit = all(
        Path(argument.partition("::")[0]).resolve().is_relative_to(HERE) for argument in config.args
    )
    if only_unit:
        # Nothing is logged here, and a handler for each phase of each test costs as much as the fuse. It is
        # registered after this.
        config.pluginmanager.set_blocked("logging-plugin")
        config.pluginmanager.register(Halves(together=WITH_PREFECT))
    if only_unit and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        tempfile.tempdir = str(MEMORY)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Fails the test that opens a socket or starts a process, its fixtures too; see tests/fuse.py."""
    with no_network_and_no_processes():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """The same for what the test does itself."""
    with no_network_and_no_processes():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """And for what is done behind it, unless what other tests of the session share ends here too: their servers."""
    if nextitem is None or not nextitem.path.is_relative_to(HERE):
        return (yield)
    with no_network_and_no_processes():
        return (yield)


def pytest_collection_finish() -> None:
    """What was imported stays."""
    sys.dont_write_bytecode = BYTECODE
    gc.freeze()
    gc.set_threshold(200_000)
    gc.enable()
