"""Makes a test fail that opens a network connection or starts a process.

Python's audit events are watched, so it holds whatever library does it, and in every thread. What was
tried is also remembered: code that catches the error does not get past it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
)
_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})
_guards: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards:
        return
    if event in _PROCESSES:
        text = f"a unit test starts a process ({event}): {arguments[:2]!r}; inject a fake of Processes"
    elif event in _NETWORK or _is_network_socket(event, arguments):
        text = f"a unit test uses the network ({event}): {arguments[1:]!r}; inject a fake of the port"
    else:
        return
    _guards[-1].append(text)
    pytest.fail(text)


def _is_network_socket(event: str, arguments: tuple[Any, ...]) -> bool:
    """Event loops wake themselves with a pair of local sockets; those are never connected."""
    return event == "socket.__new__" and arguments[1] != socket.AF_UNIX


sys.addaudithook(_watch)


@contextmanager
def no_network_and_no_processes() -> Iterator[list[str]]:
    """What was tried is in the list. Fails at the end when it still holds something."""
    tried: list[str] = []
    _guards.append(tried)
    try:
        yield tried
    finally:
        _guards.remove(tried)
    if tried:
        pytest.fail("\n".join(tried))


def tried_so_far() -> list[str]:
    """What the running guard has seen, for the test of the fuse itself. It may be cleared."""
    return _guards[-1]


@contextmanager
def unguarded() -> Iterator[None]:
    """Without the fuse, for the test of the fuse itself."""
    kept, _guards[:] = list(_guards), []
    try:
        yield
    finally:
        _guards[:] = kept
