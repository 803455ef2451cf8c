"""A Prefect server that fails on demand: a proxy in front of it that spoils one request, and one that is killed.

A request that the client repeats is still the same request: it fails as often as it is repeated, and whatever is asked
next is answered.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from flowyard.errors import Unreachable
from flowyard.ports import PrefectApi
from flowyard.values import Json
from tests.integration.prefect_server import end, free_port, launch, wait_until_up

# What such a server does by itself would meet our writes in SQLite, and the tests have little patience.
_QUIET = {
    f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
    for service in ("SCHEDULER", "LATE_RUNS", "FOREMAN", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS")
}


class Spoiled(Enum):
    """How a request is spoiled: the status it is answered with, or None for a reset; whether it is done first."""

    ERROR = (500, False)
    REFUSED = (409, False)
    LOST = (None, True)


@dataclass
class Spoiler:
    """Which request is spoiled (the first is 0), and what was asked so far, repetitions left out."""

    kind: Spoiled | None = None
    at: int = -1
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    def spoils(self, method: str, path: str, body: bytes) -> bool:
        """Note a request, and say whether it is the one."""
        if not self.asked or self.asked[-1] != (method, path, body):
            self.asked.append((method, path, body))
        return self.kind is not None and len(self.asked) - 1 == self.at


class Proxy:
    """Forwards to the server, but for what `spoiler` says."""

    def __init__(self, api_url: str) -> None:
        self.spoiler = Spoiler()
        self._target = api_url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        """Status and body of the answer; None for a connection that is reset."""
        kind = self.spoiler.kind if self.spoiler.spoils(method, path, body) else None
        if kind is None:
            return self._forward(method, path, body)
        status, done = kind.value
        if done:
            self._forward(method, path, body)
        return None if status is None else (status, b'{"detail": "spoiled"}')

    def _forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(self._target + path, data=body or None, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextmanager
def proxied(proxy: Proxy) -> Iterator[str]:
    """The API URL of the proxy, on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer = proxy.answer(self.command, self.path, body)
            if answer is None:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # the names the base class calls

        def log_message(self, format: str, *args: object) -> None:  # the base class's name
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class MortalServer:
    """A Prefect server that can be killed and started again, on the same database and port."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.killed = threading.Event()
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its API URL, also while it is dead."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if self._process is None:
            self.killed.clear()
            self._process = launch(self._home, self.port, _QUIET)
            wait_until_up(self._process, self._home, self.port)

    def kill(self) -> None:
        """SIGKILL for it and every process that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.killed.set()

    def end(self) -> None:
        """Stop it for good."""
        if self._process is not None:
            end(self._process)
            self._process = None


@dataclass
class KilledAt:
    """A PrefectApi whose server is killed just before or after (`done`) its request `at`, and comes back when
    something else is asked (`back`)."""

    api: PrefectApi
    server: MortalServer
    at: int
    done: bool
    back: bool = True
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        number = len(self.asked)
        self.asked.append(f"{method} {path}")
        if number == self.at:
            if self.done:
                self.api.request(method, path, body)
            self.server.kill()
            if self.done:
                raise Unreachable("killed before it could answer", sent=True)
        elif number > self.at and self.back:
            self.server.start()
        return self.api.request(method, path, body)
