"""The fuse of the unit tests itself: it blows, it cannot be caught, and it leaves other code alone."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.fuse import no_network_and_no_processes, tried_so_far, unguarded


def connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=0.1)


def local_socket() -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect("/var/run/docker.sock")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: subprocess.run([sys.executable, "-c", ""], check=False),
        lambda: os.system("true"),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: os.execv("/bin/true", ["true"]),
        os.fork,
        socket.socket,
        connect,
        local_socket,
        lambda: socket.getaddrinfo("localhost", 80),
    ],
)
def test_it_blows(attempt: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"a unit test (starts a process|uses the network)"):
        attempt()
    assert len(tried_so_far()) == 1
    tried_so_far().clear()  # it was meant


@pytest.fixture(scope="module")
def hidden() -> str:
    """A fixture of many tests that blows the fuse and hides it."""
    with suppress(BaseException):
        socket.socket()
    found = tried_so_far().copy()
    tried_so_far().clear()
    return "".join(found)


def test_it_holds_in_fixtures_of_every_scope(hidden: str) -> None:
    assert hidden.startswith("a unit test uses the network (socket.__new__)")


def test_code_that_catches_everything_does_not_get_past_it() -> None:
    def tried_and_hidden() -> None:
        with no_network_and_no_processes(), suppress(BaseException):
            socket.socket()

    with pytest.raises(pytest.fail.Exception, match="uses the network"):
        tried_and_hidden()


def test_it_holds_in_other_threads() -> None:
    def attempt() -> None:
        with suppress(BaseException):
            socket.socket()

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(tried_so_far()) == 1
    tried_so_far().clear()


def test_files_threads_and_event_loops_are_free() -> None:
    async def answer() -> int:
        return 42

    with no_network_and_no_processes() as tried:
        assert asyncio.run(answer()) == 42
    assert tried == []


def test_without_it_the_same_calls_succeed() -> None:
    with unguarded():
        socket.socket().close()
        assert subprocess.run([sys.executable, "-S", "-c", ""], check=False).returncode == 0
