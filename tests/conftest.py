"""Options that every kind of test understands."""

from __future__ import annotations

import os
import signal

import pytest

from tests.counts import counted, not_tried
from tests.lanes import Lanes, hands_out

# In a CI the program tells it what it did; these tests look at what it prints anywhere else.
for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
    os.environ.pop(name, None)

pytest.register_assert_rewrite("tests.golden_files")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected files of tests/golden anew"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Who starts us in the background may have SIGINT ignored, and so would the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hands_out(config):
        config.pluginmanager.register(Lanes())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", ()) if report.when == "call"]
    if shown := ", ".join(f"{kind} {count}" for kind, count in counted(passed).items()):
        terminalreporter.write_line(f"passed of each kind: {shown}")
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())]
    for line in not_tried(reasons):
        terminalreporter.write_line(line, yellow=True)
