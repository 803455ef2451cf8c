"""Speaks HTTP for the registries of the tests: one on a loopback port, or several by their names behind TLS."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import urllib3

from tests.aws.registry_requests import HOP, Reply, Seen, pieces, read_request

_PIECE = 256 * 1024


class Front(Protocol):
    """What is behind a host."""

    def answer(self, request: Seen, body: Iterator[bytes]) -> Reply | urllib3.BaseHTTPResponse:
        """Answer one request. Raises ConnectionError where the connection is to break."""
        ...

    def outer(self, request: Seen, location: str) -> str:
        """A place in an answer as clients know it."""
        ...


class FrontServer(ThreadingHTTPServer):
    """Listens at `address`, with TLS where there is a context. `front_of` is what a Host header means."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        front_of: Callable[[str], Front],
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, _FrontHandler)
        self.front_of = front_of
        self.refused: list[str] = []  # why no TLS came about, as who came said it
        if context is not None:
            # The handshake is the handler's, not the listener's: who does not trust us must not stop it for others.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands first, in the thread of the connection."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.do_handshake()
            except (ssl.SSLError, ConnectionError) as error:
                self.refused.append(str(error))
                return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _FrontHandler(BaseHTTPRequestHandler):
    """Speaks HTTP for who is asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        assert isinstance(self.server, FrontServer)
        front = self.server.front_of(self.headers.get("Host", ""))
        headers = {name.lower(): ", ".join(self.headers.get_all(name) or ()) for name in self.headers}
        request = read_request(self.command, self.path, headers)
        body = pieces(self.rfile, headers)
        try:
            reply = front.answer(request, body)
        except ConnectionError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        for _ in body:
            pass  # what a refusal did not read, so that the connection can go on
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in HOP:
                self.send_header(name, front.outer(request, value) if name.lower() == "location" else value)
        self._send_body(reply)

    def _send_body(self, reply: Reply | urllib3.BaseHTTPResponse) -> None:
        if isinstance(reply, Reply):
            size, body = str(len(reply.body)), iter((reply.body,))
        else:
            size, body = reply.headers.get("Content-Length", "0"), reply.stream(_PIECE, decode_content=False)
        self.send_header("Content-Length", size)
        self.end_headers()
        for piece in body if self.command != "HEAD" else ():
            self.wfile.write(piece)
        if not isinstance(reply, Reply):
            reply.release_conn()

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _serve
