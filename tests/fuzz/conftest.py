"""What holds for every fuzzed input: it is counted, it cannot leave the process, and it comes to an end."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
import urllib3  # noqa: F401  # it opens a socket when it is imported

from tests.fuzz.cut_off import cut_off

SECONDS = 30  # for one input; what takes longer hangs
INPUTS = "fuzz inputs"  # a property of tests, as they may run in other processes than the one that sums up


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    inputs: Counter[str] = Counter()
    for report in terminalreporter.stats.get("", ()):
        if getattr(report, "when", "") == "teardown":
            inputs.update({kind: count for name, (kind, count) in report.user_properties if name == INPUTS})
    if inputs:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(inputs.items()))
        terminalreporter.write_line(f"fuzz: {inputs.total()} inputs ({kinds})")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Nothing leaves the process."""
    with cut_off():
        yield


@pytest.fixture
def inputs(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """How many inputs of each kind the test has tried."""
    tried: Counter[str] = Counter()
    yield tried
    request.node.user_properties.extend((INPUTS, entry) for entry in tried.items())


@contextmanager
def limited() -> Iterator[None]:
    """Raise in whatever does not come to an end."""
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"no answer within {SECONDS} s")
