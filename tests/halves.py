"""Tests in two processes that share what was collected: the second is a fork of the first.

`pytest -n 2` starts, imports and collects anew in each process, and sends three messages a test: for thousands of
tests of a few milliseconds that costs as much as the second core gives. Here both take the next file as soon as they
are done with one; what the second reports is told at the end as if it had happened here.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, BinaryIO
from warnings import WarningMessage

import pytest

ENOUGH = 500  # tests; fewer are done before a second process is of use


def worth_it(config: pytest.Config) -> bool:
    """Whether nobody has to see the tests one after the other, in one process. `-n 0` asks for that."""
    options = (
        "collectonly",
        "usepdb",
        "trace",
        "maxfail",
        "stepwise",
        "setupshow",
        "setuponly",
        "setupplan",
    )
    return (
        hasattr(os, "fork")
        and hasattr(os, "sched_getaffinity")
        and len(os.sched_getaffinity(0)) > 1
        and sys.gettrace() is None  # coverage and debuggers follow this process only,
        and "coverage" not in sys.modules  # which later Pythons do not show as a trace
        and not any(config.getoption(option, None) for option in options)
        and config.getoption("numprocesses", None) is None
    )


class Halves:
    """A plugin that runs the tests in two processes, where there are enough of them.

    Files that are named in `together` are run by the same one: they load what takes long.
    """

    def __init__(self, enough: int = ENOUGH, together: Collection[str] = ()) -> None:
        self._enough, self._together = enough, together

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Instead of pytest's own loop."""
        many = len(session.items) >= self._enough and threading.active_count() == 1
        if not many or session.testsfailed or not worth_it(session.config):
            return None
        files = self._files(session.items)
        tokens = _tokens(len(files))
        reader, writer = os.pipe()
        child = _forked(session.config)
        if child == 0:
            _other_half(session, _taken(files, tokens), writer)
        os.close(writer)
        try:
            _run(session, _taken(files, tokens))
            with os.fdopen(reader, "rb") as told:
                _tell(session, told)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            os.waitpid(child, 0)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    def _files(self, items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
        """What is taken at once. First the files that are to be run by one process, since they take longest."""
        one = [item for item in items if item.path.name in self._together]
        rest = [item for item in items if item.path.name not in self._together]
        return [one, *(list(found) for _, found in groupby(rest, lambda item: item.path))]


def _forked(config: pytest.Config) -> int:
    """As os.fork, and each process keeps what its tests print in files of its own."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    child = os.fork()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    return child


def _tokens(files: int) -> int:
    """A pipe that holds the number of each file. Reading one takes it from the other process."""
    reader, writer = os.pipe()
    for number in range(files):
        os.write(writer, number.to_bytes(2))
    os.close(writer)
    return reader


def _taken(files: Sequence[Sequence[pytest.Item]], tokens: int) -> Iterator[pytest.Item]:
    while token := os.read(tokens, 2):
        yield from files[int.from_bytes(token)]


def _run(session: pytest.Session, items: Iterator[pytest.Item]) -> None:
    item = next(items, None)
    while item is not None and not session.shouldfail and not session.shouldstop:
        following = next(items, None)
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item = following
    for _ in items:  # where it is to stop: so the other process finds nothing more either
        pass


class _Heard:
    """Keeps what would be told in this process, as hook and arguments that can be sent."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        self.calls.append(("pytest_runtest_logstart", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logfinish(self, nodeid: str, location: object) -> None:
        self.calls.append(("pytest_runtest_logfinish", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.calls.append(("pytest_runtest_logreport", {"report": data}))

    def pytest_warning_recorded(
        self, warning_message: WarningMessage, when: str, nodeid: str, location: object
    ) -> None:
        seen = warning_message
        kept = WarningMessage(str(seen.message), seen.category, seen.filename, seen.lineno)
        told = {"warning_message": kept, "when": when, "nodeid": nodeid, "location": location}
        self.calls.append(("pytest_warning_recorded", told))


def _other_half(session: pytest.Session, items: Iterator[pytest.Item], writer: int) -> None:
    """Run the items in the second process, send what is to be told, and end."""
    code = 1
    try:
        plugins, heard = session.config.pluginmanager, _Heard(session.config)
        plugins.unregister(name="terminalreporter")
        plugins.register(heard)
        _run(session, items)
        with os.fdopen(writer, "wb") as told:
            pickle.dump((heard.calls, session.shouldfail, session.shouldstop), told)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _tell(session: pytest.Session, told: BinaryIO) -> None:
    calls: list[tuple[str, dict[str, Any]]]
    try:
        calls, shouldfail, shouldstop = pickle.load(told)
    except EOFError:
        raise RuntimeError("the second process of the tests ended before it told of them") from None
    config = session.config
    session.shouldfail, session.shouldstop = (
        session.shouldfail or shouldfail,
        session.shouldstop or shouldstop,
    )
    for name, arguments in calls:
        hook = getattr(config.hook, name)
        if "report" in arguments:
            data = arguments["report"]
            hook(report=config.hook.pytest_report_from_serializable(config=config, data=data))
        elif hook.is_historic():
            hook.call_historic(kwargs=arguments)
        else:
            hook(**arguments)
