"""A company's way in before a Prefect server: TLS from an authority of its own, and a header that it wants."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

DROPPED = frozenset({"connection", "content-length", "transfer-encoding", "host", "content-encoding"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that does not trust the certificate."""


@contextmanager
def tls_front(api_url: str, files: tuple[Path, Path], header: tuple[str, str]) -> Iterator[str]:
    """The API URL of a way in to the server at `api_url`, with this certificate and key, for who sends `header`."""
    upstream = api_url.removesuffix("/api")
    pool = urllib3.PoolManager(retries=False)
    name, wanted = header

    class Handler(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get(name) != wanted:
                self.send_error(403)
                return
            headers = {key: value for key, value in self.headers.items() if key.lower() not in DROPPED}
            answer = pool.request(self.command, upstream + self.path, body=body, headers=headers)
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                if key.lower() not in DROPPED:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        do_GET = do_POST = do_PATCH = do_DELETE = _pass  # the names the base class calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server = _Server(("127.0.0.1", 0), Handler)
    # The handshake is the handler's, not the listener's: who does not trust us must not stop it for others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        pool.clear()
