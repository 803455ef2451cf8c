"""An HTTP proxy in front of a server that stops the client at a chosen request.

The program under test stays as it is: what stops it is a real signal, sent when the server has not yet seen the
request, or has done it and the client has not yet read the answer.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import urllib3

_DROPPED = frozenset({"connection", "content-length", "transfer-encoding", "host", "content-encoding"})


@dataclass(frozen=True)
class Boundary:
    """A place in a ship: before the server sees, or after it did, the n-th request that matches.

    Requests that the server refuses as too busy do not count: they are sent again.
    """

    name: str
    when: Literal["before", "after"]
    request: str  # a regular expression of METHOD PATH, without /api
    nth: int = 1


@dataclass
class StoppingProxy:
    """A running proxy. `seen` are the requests since it was armed; `stopped` says that it sent the signal."""

    upstream: str
    url: str = ""
    held: float = 0.15  # seconds the answer is held back, so that the signal is there first
    seen: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, maxsize=8)
        self._lock = threading.Lock()
        self._pid = threading.Event()
        self._target = 0
        self._armed: tuple[Boundary, signal.Signals] | None = None
        self._turn = 0  # which arming it is: a request of a client that was stopped may end in the next one

    def arm(self, boundary: Boundary, number: signal.Signals) -> None:
        """Stop the client, whose number comes later, at this boundary."""
        with self._lock:
            self._turn += 1
            self.seen.clear()
        self.stopped.clear()
        self._pid.clear()
        self._armed = (boundary, number)

    def aim(self, pid: int) -> None:
        """The process to stop."""
        self._target = pid
        self._pid.set()

    def disarm(self) -> None:
        """Let everything pass."""
        self._armed = None

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> urllib3.BaseHTTPResponse:
        """Send on, and stop the client before or after when it is the chosen request."""
        request = f"{method} {path.removeprefix('/api')}"
        turn = self._turn
        self._stop_at("before", request)
        answer = self._pool.request(method, self.upstream + path, body=body, headers=headers)
        if answer.status != 503 and turn == self._turn:
            with self._lock:
                self.seen.append(request)
            self._stop_at("after", request)
        return answer

    def _stop_at(self, when: str, request: str) -> None:
        if self._armed is None or self.stopped.is_set():
            return
        boundary, number = self._armed
        with self._lock:
            done = sum(re.fullmatch(boundary.request, one) is not None for one in self.seen)
        if (when, done) != (boundary.when, boundary.nth - (when == "before")):
            return
        if re.fullmatch(boundary.request, request):
            self.stopped.set()
            self._stop(number)
            if when == "before" and number is signal.SIGKILL:
                raise ConnectionError("the client is dead")

    def _stop(self, number: signal.Signals) -> None:
        assert self._pid.wait(10)
        os.kill(self._target, number)
        time.sleep(self.held)


@contextmanager
def stopping_proxy(api_url: str) -> Iterator[StoppingProxy]:
    """A proxy in front of the server with this API URL, on a port of its own; `url` is its API URL."""
    proxy = StoppingProxy(api_url.removesuffix("/api"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = {name for name in self.headers if name.lower() not in _DROPPED}
            headers = {name: ", ".join(self.headers.get_all(name) or ()) for name in names}
            try:
                answer = proxy.forward(self.command, self.path, headers, body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in _DROPPED:
                        self.send_header(name, value)
                size = answer.headers.get("Content-Length") if self.command == "HEAD" else len(answer.data)
                self.send_header("Content-Length", str(size or 0))
                self.end_headers()
                self.wfile.write(answer.data)
            except ConnectionError:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_PUT = _pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_port}/api"
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
