"""A package index that only its user may read, over TLS of its own authority, for builds of the local engine.

It holds one small package. On loopback, builds reach it through a proxy of this machine.
"""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from tests.integration.certificates import PrivateAuthority

PACKAGE = "flowyard-private-package"
WHEEL = "flowyard_private_package-1.0-py3-none-any.whl"
_INFO = "flowyard_private_package-1.0.dist-info"


@dataclass(frozen=True)
class PrivateIndex:
    """The address with its credentials, the password in it, and the authority's certificate."""

    url: str
    password: str
    authority: Path


@contextmanager
def private_index(folder: Path, host: str, password: str) -> Iterator[PrivateIndex]:
    """An index that listens on `host`, an IPv4 address, for the block."""
    authority = PrivateAuthority(folder / "index", "authority of a private index")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server(host))
    server = ThreadingHTTPServer((host, 0), _handler(password))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"https://reader:{quote(password, safe='')}@{host}:{server.server_port}/simple/"
        yield PrivateIndex(url, password, authority.file)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(password: str) -> type[BaseHTTPRequestHandler]:
    wheel = _wheel()
    digest = hashlib.sha256(wheel).hexdigest()
    page = f'<!DOCTYPE html><a href="/files/{WHEEL}#sha256={digest}">{WHEEL}</a>'.encode()
    expected = f"Basic {base64.b64encode(f'reader:{password}'.encode()).decode()}"
    content = {f"/simple/{PACKAGE}/": ("text/html", page), f"/files/{WHEEL}": ("application/zip", wheel)}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
                self._end(b"")
            elif self.path in content:
                kind, body = content[self.path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self._end(body)
            else:
                self.send_response(404)
                self._end(b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _end(self, body: bytes) -> None:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    return Handler


def _wheel() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("flowyard_private_package.py", 'WHENCE = "the private index"\n')
        archive.writestr(f"{_INFO}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
        archive.writestr(f"{_INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{_INFO}/RECORD", "flowyard_private_package.py,,\n")
    return packed.getvalue()
