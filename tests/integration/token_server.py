"""A token server as the registry's token authentication wants it, signing with its own certificate.

Small enough to read, because what it accepts is part of the proof.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from flowyard.values import Json
from tests.integration.scripted_server import HangUpServer

ISSUER = "token server of the tests"
SERVICE = "registry of the tests"


class Authority:
    """A key and its self-signed certificate, which signs tokens and serves TLS on loopback."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.UTC)
        addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        public = self.key.public_key()
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write certificate and key as PEM files; return their paths in that order."""
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key

    def token(self, access: list[Json]) -> str:
        """A token that grants `access` for five minutes."""
        now = int(time.time())
        chain = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        claims = {"iss": ISSUER, "aud": SERVICE, "sub": "", "jti": uuid.uuid4().hex, "access": access}
        times = {"iat": now, "nbf": now - 10, "exp": now + 300}
        head = _encoded(json.dumps({"typ": "JWT", "alg": "ES256", "x5c": [chain]}).encode())
        signed = f"{head}.{_encoded(json.dumps({**claims, **times}).encode())}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class TokenServer:
    """Serves tokens on loopback. A context manager.

    `user` and `password` may pull everything, `identity` is the identity token that may too; without any of
    them `public/...` may be pulled. `requests` keeps what was asked: method and who, in order.
    """

    def __init__(self, authority: Authority, tls: tuple[Path, Path] | None = None) -> None:
        self.authority = authority
        self.user, self.password, self.identity = "reader", 'correct:horse, "battery"', "identity-of-reader"
        self.requests: list[tuple[str, str]] = []
        self._server = HangUpServer(("127.0.0.1", 0), self._handler())
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.realm = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}/token"
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

    def who(self, authorization: str) -> str | None:
        """The user a header stands for: empty for anonymous, None for a wrong password."""
        if not authorization:
            return ""
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return self.user if authorization == f"Basic {expected}" else None

    def answer(self, who: str | None, scopes: list[str], service: str) -> tuple[int, Json]:
        """Status and body for one request."""
        if who is None:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
        if service != SERVICE:
            return 400, {"errors": [{"code": "BAD_REQUEST", "message": f"no service {service}"}]}
        access = []
        for kind, name, actions in (scope.split(":") for scope in scopes):
            allowed = who or name.startswith("public/")
            access.append({"type": kind, "name": name, "actions": actions.split(",") if allowed else []})
        return 200, {"token": self.authority.token(access), "expires_in": 300}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                who = server.who(self.headers.get("Authorization", ""))
                self.reply("GET", who, query)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                fitting = form.get("refresh_token") == [server.identity]
                exchange = form.get("grant_type") == ["refresh_token"] and bool(form.get("client_id"))
                self.reply("POST", server.user if fitting and exchange else None, form)

            def reply(self, method: str, who: str | None, asked: dict[str, list[str]]) -> None:
                server.requests.append((method, "refused" if who is None else who))
                status, document = server.answer(who, asked.get("scope", []), asked.get("service", [""])[0])
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        return Handler
