"""Tests in several processes at once, `pytest -n 2`: what none of the processes can see for itself.

Each has servers of its own and ends them, but the engine is one for all: what is left behind can be told only when
the last has ended, so the process that hands out the tests looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


class Lanes:
    """Looks before the first process starts and after the last one ended."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._left: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """The processes inherit the mark."""
        from tests.integration.leftovers import watched  # not for who runs unit tests only

        self._left = self._open.enter_context(watched())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        yield  # here the processes end
        self._open.close()
        if self._left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for one in self._left:
            terminalreporter.write_line(f"left behind: {one}", red=True)


def hands_out(config: pytest.Config) -> bool:
    """Whether this process gives tests to others."""
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
