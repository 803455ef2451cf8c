"""Requests to a container registry, named by what a push does with them, and the manners of refusing them.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.aws.faults import Cut

Kind = Literal[
    "ping",
    "blob.head",
    "blob.get",
    "upload.start",
    "upload.mount",
    "upload.patch",
    "upload.put",
    "manifest.head",
    "manifest.get",
    "manifest.put",
    "other",
]

_PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<what>blobs/uploads|blobs|manifests|tags)/(?P<name>.*)")
_KINDS: Mapping[tuple[str, str], Kind] = {
    ("blobs", "HEAD"): "blob.head",
    ("blobs", "GET"): "blob.get",
    ("blobs/uploads", "POST"): "upload.start",
    ("blobs/uploads", "PATCH"): "upload.patch",
    ("blobs/uploads", "PUT"): "upload.put",
    ("manifests", "HEAD"): "manifest.head",
    ("manifests", "GET"): "manifest.get",
    ("manifests", "PUT"): "manifest.put",
}
# What is of one connection only, and our own login.
HOP = frozenset({"connection", "content-length", "transfer-encoding", "host", "authorization", "expect"})
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Seen:
    """One request. `name` is a tag, a digest or an upload; `agent` the program that sent it."""

    kind: Kind
    method: str
    repository: str
    name: str
    query: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def agent(self) -> str:
        return self.headers.get("user-agent", "").partition("/")[0]

    @property
    def mount(self) -> tuple[str, str] | None:
        """The blob that is to be mounted, and the repository it is in."""
        query = parse_qs(self.query)
        if "mount" not in query or "from" not in query:
            return None
        return query["mount"][0], query["from"][0]

    @property
    def login(self) -> tuple[str, str]:
        """The user and the password of the request, empty where there are none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return "", ""
        user, _, password = base64.b64decode(value).decode().partition(":")
        return user, password


def read_request(method: str, path: str, headers: Mapping[str, str]) -> Seen:
    """What a request line and its headers (names in lower case) are."""
    parts = urlsplit(path)
    match = _PATH.fullmatch(parts.path)
    if match is None:
        kind: Kind = "ping" if parts.path.rstrip("/") == "/v2" else "other"
        return Seen(kind, method, "", "", parts.query, headers)
    kind = _KINDS.get((match["what"], method), "other")
    seen = Seen(kind, method, match["repository"], match["name"], parts.query, headers)
    if kind == "upload.start" and seen.mount is not None:
        return Seen("upload.mount", *(getattr(seen, name) for name in _REST))
    return seen


_REST = ("method", "repository", "name", "query", "headers")


@dataclass(frozen=True)
class Reply:
    """What is sent back. `blob` says that the body is left for the caller to pass on."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as registries answer it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


def pieces(stream: BufferedIOBase, headers: Mapping[str, str]) -> Iterator[bytes]:
    """The body of a request, of known length or in chunks, as it comes."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while size := int(stream.readline().partition(b";")[0], 16):
            yield from _exactly(stream, size)
            stream.readline()
        while stream.readline().strip():
            pass  # trailers
        return
    yield from _exactly(stream, int(headers.get("content-length") or 0))


def _exactly(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(size, _PIECE))
        if not piece:
            raise ConnectionError("the client ended in the middle of a body")
        size -= len(piece)
        yield piece


@dataclass
class PlannedFault:
    """A status or a cut of the nth request of a kind, and of the ones after it up to `times`, by one program."""

    kind: Kind
    fault: int | Cut
    nth: int = 1
    times: int = 1
    agent: str = ""
    seen: int = 0
    happened: int = 0

    def strikes(self, request: Seen) -> bool:
        """Whether this request is one of those; counts it."""
        if request.kind != self.kind or self.agent not in ("", request.agent):
            return False
        self.seen += 1
        struck = self.nth <= self.seen < self.nth + self.times
        self.happened += struck
        return struck
