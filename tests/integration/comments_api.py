"""The parts of GitHub's and GitLab's APIs that hold the comments of one pull or merge request, on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GITHUB = re.compile(r"/repos/acme/flows/issues/(?:12/comments|comments/(?P<id>\d+))")
GITLAB = re.compile(r"/projects/34/merge_requests/12/notes(?:/(?P<id>\d+))?")


@dataclass
class CommentsApi:
    """What is there, and how it was asked. Without `may_write` writes are refused. The token is an app's, as that
    of a job on GitHub is, where `app` says so; `others` are the numbers of comments that somebody else wrote."""

    url: str
    token: str
    may_write: bool = True
    app: bool = False
    bodies: dict[int, str] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, url: str, body: bytes, token: str) -> tuple[int, object]:
        """Status and content of the answer."""
        parts = urlsplit(url)
        self.asked.append((method, parts.path))
        if (parts.path, token) == ("/user", self.token):
            refused = {"message": "Resource not accessible by integration"}
            return (403, refused) if self.app else (200, self._author("flowyard"))
        found = GITHUB.fullmatch(parts.path) or GITLAB.fullmatch(parts.path)
        if found is None:
            return 404, {"message": "Not Found"}
        if token != self.token:
            return 401, {"message": "Bad credentials"}
        if method == "GET":
            return 200, self._page(parse_qs(parts.query))
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        number = int(found["id"] or len(self.bodies) + 1)
        if (method == "POST") == bool(found["id"]) or (method != "POST" and number not in self.bodies):
            return 404, {"message": "Not Found"}
        self.bodies[number] = json.loads(body)["body"]
        return 201 if method == "POST" else 200, {"id": number, "body": self.bodies[number]}

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, object]]:
        size, page = int(query["per_page"][0]), int(query["page"][0])
        every = [
            {"id": number, "body": text, **self._by("somebody" if number in self.others else "flowyard")}
            for number, text in sorted(self.bodies.items())
        ]
        return every[(page - 1) * size : page * size]

    def _by(self, name: str) -> dict[str, object]:
        return {"user": self._author(name), "author": self._author(name)}

    def _author(self, name: str) -> dict[str, object]:
        kind = "Bot" if self.app and name == "flowyard" else "User"
        return {"login": name, "username": name, "type": kind}


@contextmanager
def comments_api(token: str) -> Iterator[CommentsApi]:
    """A running API that takes this token alone."""
    api = CommentsApi("", token)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            secret = given or self.headers.get("PRIVATE-TOKEN", "")
            status, content = api.answer(self.command, self.path, self.rfile.read(length), secret)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = answer

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
