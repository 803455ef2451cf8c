"""A relay in front of a server on loopback that counts requests and bytes, and may hold each request back.

It passes on what comes, byte by byte, so that client and server do not know of it, whatever they are.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_HEAD = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/\S*) HTTP/1\.1\r\n")
_PART = 1 << 16


@dataclass
class Counter:
    """What passed since `reset`: requests as `METHOD /path`, and bytes to the server and from it."""

    host: str = ""
    delay: float = 0.0  # seconds each request is held back
    requests: list[str] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Count from here."""
        with self._lock:
            self.requests.clear()
            self.sent = self.received = 0

    def toward(self, data: bytes) -> None:
        """Count what a client sends, and hold it back when a request begins in it."""
        heads = [
            f"{found[1].decode()} {found[2].decode().partition('?')[0]}" for found in _HEAD.finditer(data)
        ]
        with self._lock:
            self.requests += heads
            self.sent += len(data)
        if heads and self.delay:
            time.sleep(self.delay)

    def back(self, data: bytes) -> None:
        """Count what the server answers."""
        with self._lock:
            self.received += len(data)


@contextmanager
def counting_proxy(upstream: str, delay: float = 0.0) -> Iterator[Counter]:
    """A relay to `upstream` (host:port) on a port of its own."""
    counter = Counter(delay=delay)
    host, _, port = upstream.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as server:
        counter.host = f"127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=_accept, args=(server, (host, int(port)), counter), daemon=True).start()
        yield counter
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, upstream: tuple[str, int], counter: Counter) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        try:
            there = socket.create_connection(upstream)
        except OSError:
            client.close()
            continue
        for one in (client, there):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink, count in ((client, there, counter.toward), (there, client, counter.back)):
            threading.Thread(target=_relay, args=(source, sink, count), daemon=True).start()


def _relay(source: socket.socket, sink: socket.socket, count: object) -> None:
    assert callable(count)
    with suppress(OSError):
        while data := source.recv(_PART):
            count(data)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
