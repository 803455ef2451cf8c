"""Serves a Prefect server the way Prefect Cloud does: below an account and a workspace, for an API key.

A connection is passed on whole after its first request was judged, so that web sockets pass as well.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_ANSWERS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass
class Gateway:
    """`key` may do everything, `guest` may only look; `asked` counts the requests that were let through."""

    host: str
    account: str = field(default_factory=lambda: str(uuid.uuid4()))
    workspace: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=lambda: f"pnu_{uuid.uuid4().hex}")
    guest: str = field(default_factory=lambda: f"pnu_{uuid.uuid4().hex}")
    asked: int = 0

    @property
    def cloud_url(self) -> str:
        """What stands for https://api.prefect.cloud/api."""
        return f"http://{self.host}/api"

    @property
    def api_url(self) -> str:
        return f"{self.cloud_url}/accounts/{self.account}/workspaces/{self.workspace}"

    def judged(self, head: bytes) -> int | bytes:
        """The status that refuses a request, or the head that is sent on."""
        line, _, rest = head.decode("latin-1").partition("\r\n")
        method, path, _ = line.split(" ")
        upgrade = re.search(r"^upgrade:", rest, re.I | re.M)
        sent = re.search(r"^authorization: bearer (\S+)", rest, re.I | re.M)
        if not upgrade and (sent is None or sent[1] not in (self.key, self.guest)):
            return 401
        below = f"/api/accounts/{self.account}/workspaces/{self.workspace}/"
        if not path.startswith(below):
            return 404
        if sent is not None and sent[1] == self.guest and method != "GET" and not path.endswith("/filter"):
            return 403
        self.asked += 1
        if not upgrade:  # one request a connection, since only the first is judged
            rest = re.sub(r"^connection:.*\r\n", "", rest, flags=re.I | re.M)
            rest = f"Connection: close\r\n{rest}"
        return f"{method} /api/{path.removeprefix(below)} HTTP/1.1\r\n{rest}".encode("latin-1")


@contextmanager
def cloud_gateway(server: str) -> Iterator[Gateway]:
    """A gateway to the Prefect server at `server` (host:port) on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    gateway = Gateway(f"127.0.0.1:{listener.getsockname()[1]}")
    thread = threading.Thread(target=_accept, args=(listener, gateway, server), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def _accept(listener: socket.socket, gateway: Gateway, server: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, gateway, server), daemon=True).start()


def _serve(client: socket.socket, gateway: Gateway, server: str) -> None:
    with client, suppress(OSError):
        received = b""
        while b"\r\n\r\n" not in received:
            part = client.recv(65536)
            if not part:
                return
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        judged = gateway.judged(head + b"\r\n")
        if isinstance(judged, int):
            client.sendall(_refusal(judged))
            return
        host, _, port = server.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            upstream.sendall(judged + b"\r\n" + body)
            back = threading.Thread(target=_pass_on, args=(upstream, client), daemon=True)
            back.start()
            _pass_on(client, upstream)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)


def _refusal(status: int) -> bytes:
    body = json.dumps({"detail": _ANSWERS[status]}).encode()
    head = f"HTTP/1.1 {status} {_ANSWERS[status]}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
