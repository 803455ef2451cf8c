"""A package index that only its user may read, over TLS of its own authority, for builds of the local engine.

It holds one small package. Builds reach it on the engine's bridge, as they would reach a company's index.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import io
import ipaddress
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    authority, chain = _certificates(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = ThreadingHTTPServer((host, 0), _handler(password))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"https://reader:{password}@{host}:{server.server_port}/simple/"
        yield PrivateIndex(url, password, authority)
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


def _certificates(folder: Path, host: str) -> tuple[Path, Path]:
    """The authority's certificate, and the server's with its key, as PEM files."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a private index")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "private index")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    ca = _builder(issuer, issuer, root).add_extension(x509.BasicConstraints(True, None), critical=True)
    server = _builder(subject, issuer, leaf).add_extension(address, critical=False)
    pem = serialization.Encoding.PEM
    authority, chain = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(ca.sign(root, hashes.SHA256()).public_bytes(pem))
    key = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(key + server.sign(root, hashes.SHA256()).public_bytes(pem))
    return authority, chain


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
