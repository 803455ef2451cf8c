"""An HTTP server that answers what a test wrote down, and keeps what it was asked.

For the answers a well-behaved registry never gives.
"""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One answer. `{port}` in a header's value becomes the port of the server itself."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request: method, path with query, and the Authorization (empty for none)."""

    method: str
    path: str
    authorization: str = ""


class HangUpServer(ThreadingHTTPServer):
    """A server whose clients may hang up, as the tests of refusals make them do; other errors are printed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that the client ended or whose certificate it refused."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


class ScriptedServer:
    """Serves `script` on loopback. A context manager.

    `script` maps `METHOD /path` (without query) to the answers in turn; the last one is repeated. What is not
    in it answers 599, which no client takes for anything.
    """

    def __init__(self, script: Mapping[str, Sequence[Reply]]) -> None:
        self.asked: list[Asked] = []
        self._left = {key: list(replies) for key, replies in script.items()}
        self._server = HangUpServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next_reply(self, key: str) -> Reply:
        """The answer to the next request for `key`."""
        left = self._left.get(key, [Reply(599)])
        return left.pop(0) if len(left) > 1 else left[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                server.asked.append(Asked(self.command, self.path, self.headers.get("Authorization", "")))
                reply = server.next_reply(f"{self.command} {self.path.partition('?')[0]}")
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value.replace("{port}", str(server.port)))
                if "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            def do_GET(self) -> None:
                self.answer()

            def do_HEAD(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        return Handler
