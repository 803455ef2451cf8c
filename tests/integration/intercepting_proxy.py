"""A proxy that looks into TLS, as in a company's network: it answers for every host with a certificate of its own.

It wants a user and a password, and keeps which hosts it was asked for.
"""

from __future__ import annotations

import base64
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.integration.certificates import PrivateAuthority

USER = "walker"


@dataclass(frozen=True)
class InterceptingProxy:
    """Its address with credentials, the certificate of its authority, and what came by: hosts, and refusals."""

    url: str
    authority: Path
    hosts: list[str]
    refused: list[str]


@contextmanager
def intercepting_proxy(
    folder: Path, address: str, password: str, trusted: tuple[Path, ...]
) -> Iterator[InterceptingProxy]:
    """A proxy on `address` for the block. `trusted` are the authorities of the servers behind it."""
    authority = PrivateAuthority(folder / "proxy", "authority of a proxy")
    upstream = ssl.create_default_context()
    for file in trusted:
        upstream.load_verify_locations(file)
    seen = InterceptingProxy("", authority.file, [], [])
    expected = f"Basic {base64.b64encode(f'{USER}:{password}'.encode()).decode()}"
    server = _Server((address, 0), _handler(authority, upstream, expected, seen))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"http://{USER}:{quote(password, safe='')}@{address}:{server.server_port}"
        yield InterceptingProxy(url, authority.file, seen.hosts, seen.refused)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hangs up or trusts another authority."""


def _handler(
    authority: PrivateAuthority, upstream: ssl.SSLContext, expected: str, seen: InterceptingProxy
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            if self.headers.get("Proxy-Authorization") != expected:
                seen.refused.append(self.path)
                self.send_response(407)
                self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            seen.hosts.append(self.path)
            host, _, port = self.path.rpartition(":")
            with (
                socket.create_connection((host, int(port)), timeout=20) as plain,
                upstream.wrap_socket(plain, server_hostname=host) as server,
            ):
                self.send_response(200)
                self.end_headers()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*authority.server(host))
                with context.wrap_socket(self.connection, server_side=True) as client:
                    _relay(client, server)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def _relay(client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
    """Pass on what either side sends, until one of them ends."""
    other = {client: server, server: client}
    with selectors.DefaultSelector() as ready, suppress(OSError):
        for side in other:
            ready.register(side, selectors.EVENT_READ)
        while events := ready.select(timeout=30):
            for key, _ in events:
                side = client if key.fileobj is client else server
                data, ended = _received(side)
                other[side].sendall(data)
                if ended:
                    return


def _received(side: ssl.SSLSocket) -> tuple[bytes, bool]:
    """What can be read without waiting, for what arrived may be TLS's own; and whether it was the last."""
    data = b""
    side.setblocking(False)
    try:
        while chunk := side.recv(65536):
            data += chunk
    except ssl.SSLWantReadError:
        return data, False
    finally:
        side.setblocking(True)
    return data, True
