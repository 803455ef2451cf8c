"""A machine without network and without programs: what leaves the process fails as it does there.

Python's audit events are watched, so it holds for every library and every thread, and the real adapters can be
driven with any input: they cannot reach anybody.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"})
_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})
_depth: list[None] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _depth:
        return
    if event in _PROGRAMS:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(arguments[0]))
    if event in _NETWORK:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


sys.addaudithook(_watch)


@contextmanager
def cut_off() -> Iterator[None]:
    """No program starts and no connection is made while this lasts."""
    _depth.append(None)
    try:
        yield
    finally:
        _depth.pop()
