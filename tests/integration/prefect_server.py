"""Starts a real Prefect server on a free loopback port, with everything it keeps in one folder.

Tests hold our requests against the server itself, because its answers are the contract.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFECT = Path(__file__).with_name("quiet_prefect.py")
_START_SECONDS = 180.0
_SERVERS = range(15_000, 32_000)  # Linux gives outgoing connections ports from 32768 on
_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
    # Time zones from their package, which lists them in one file: Prefect lists them for each schedule.
    "PYTHONTZPATH": "",
    # Leases as files, so that a test can age one instead of waiting for a minute.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port of this machine's address that nobody listens on.

    It is none of those that outgoing connections get: a server that ended is started again on it.
    """
    for port in random.sample(_SERVERS, 100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind((address, port))
            return port
    raise RuntimeError(f"a hundred ports of {address} are in use")


@contextmanager
def prefect_server(
    home: Path,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[str]:
    """The API URL of a server that keeps everything in `home` and ends with the block.

    `python` is the interpreter of the environment whose Prefect it is.
    """
    port = port or free_port()
    server = launch(home, port, settings, python)
    try:
        yield wait_until_up(server, home, port)
    finally:
        end(server)


def launch(
    home: Path, port: int, settings: Mapping[str, str] | None = None, python: str = sys.executable
) -> subprocess.Popen[bytes]:
    """Start a server that keeps everything in `home`. It leads a session of its own."""
    with (home / "server.log").open("ab") as output:
        return subprocess.Popen(
            [python, str(_PREFECT), "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env={**_clean_environment(), **_SETTINGS, **(settings or {}), "PREFECT_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def wait_until_up(server: subprocess.Popen[bytes], home: Path, port: int) -> str:
    """The API URL of a launched server, as soon as it answers."""
    url, log = f"http://127.0.0.1:{port}/api", home / "server.log"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with opener.open(f"{url}/health", timeout=5):
                return url
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the Prefect server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes it started: it leads a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(timeout=10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    server.wait()
