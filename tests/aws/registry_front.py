"""ECR's manners before the real registry program: who may come in, what exists, which tags stay, what fails.

The blobs and manifests are the program's; which repositories and images there are is moto's, so that the API and
the registry tell the same story. On a loopback port it speaks plain HTTP, which the engine and our client accept
there, and the API's answers name this address (`EcrManners.hosts`); by its real name it is in real_names.py.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from moto.ecr.models import Image, Repository, ecr_backends

from tests.aws.api import REGION, AwsApi
from tests.aws.calls import ACCOUNT
from tests.aws.ecr_manners import USER
from tests.aws.faults import Cut
from tests.aws.front_server import FrontServer
from tests.aws.registry_requests import HOP, Kind, PlannedFault, Reply, Seen, error
from tests.integration.images import digest_of
from tests.integration.registry_program import running_registry

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html tells the words of most.
EXPIRED = "Your authorization token has expired. Reauthenticate and try again."
TOO_MANY = "Rate exceeded"
NO_REPOSITORY = "The repository with name '{name}' does not exist in the registry with id '{account}'"
IMMUTABLE = (
    "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is "
    "immutable."
)
_WORDS = {429: ("TOOMANYREQUESTS", TOO_MANY), 403: ("DENIED", "User is not authorized")}


@dataclass
class RegistryFront:
    """A running registry of one account and region. `mounting` is the account's setting BLOB_MOUNTING:
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/blob-mounting.html

    `requests` are those since the last `reset`; `before` is called with each before it is answered.
    """

    api: AwsApi
    upstream: str
    account: str = ACCOUNT
    region: str = REGION
    mounting: bool = True
    host: str = ""
    scheme: str = "http"
    requests: list[Seen] = field(default_factory=list)
    uploaded: Counter[str] = field(default_factory=Counter)  # bytes of blobs, by repository
    before: Callable[[Seen], None] = lambda _: None

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, maxsize=32, block=False)
        self._lock = threading.Lock()
        self._faults: list[PlannedFault] = []

    def reset(self) -> None:
        """Forget requests and faults. The images are gone when the API is reset."""
        self.requests.clear()
        self.uploaded.clear()
        self._faults.clear()
        self.mounting = True
        self.before = lambda _: None

    def fail(
        self, kind: Kind, fault: int | Cut, *, nth: int = 1, times: int = 1, agent: str = ""
    ) -> PlannedFault:
        """Let the nth request of this kind (by this program) from now on fail, and the ones after it up to
        `times`. What comes back counts them."""
        planned = PlannedFault(kind, fault, nth, times, agent)
        with self._lock:
            self._faults.append(planned)
        return planned

    def repository(self, name: str) -> Repository | None:
        """The repository as the API has it."""
        return ecr_backends[self.account][self.region].repositories.get(name)

    def image(self, repository: str, name: str) -> Image | None:
        """The image that a tag or a digest names, as the API has it."""
        found = self.repository(repository)
        images = found.images if found else ()
        return next((one for one in images if name in (*one.image_tags, one.image_digest)), None)

    def answer(self, request: Seen, body: Iterator[bytes]) -> Reply | urllib3.BaseHTTPResponse:
        """Answer one request. Raises ConnectionError where the connection is to break."""
        self.before(request)
        with self._lock:
            self.requests.append(request)
            struck = [one.fault for one in self._faults if one.strikes(request)]
        fault = struck[0] if struck else None
        if fault is Cut.DROPPED:
            raise ConnectionError("dropped by the tests")
        if isinstance(fault, int):
            return _failure(fault)
        reply = self._admitted(request, body)
        if fault is Cut.LOST:
            if isinstance(reply, urllib3.BaseHTTPResponse):
                reply.drain_conn()
            raise ConnectionError("lost by the tests")
        return reply

    def _admitted(self, request: Seen, body: Iterator[bytes]) -> Reply | urllib3.BaseHTTPResponse:
        user, password = request.login
        state = self.api.ecr.tokens.state(password) if user == USER else "unknown"
        if state == "expired":
            return error(403, "DENIED", EXPIRED)
        if state == "unknown":
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html#registry_auth_http
            challenge = {
                "WWW-Authenticate": f'Basic realm="{self.scheme}://{self.host}/",service="ecr.amazonaws.com"'
            }
            return error(401, "UNAUTHORIZED", "Not Authorized", challenge)
        if request.kind == "ping":
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        repository = self.repository(request.repository)
        if repository is None:
            text = NO_REPOSITORY.format(name=request.repository, account=self.account)
            return error(404, "NAME_UNKNOWN", text)
        if request.kind == "manifest.put":
            return self._put_manifest(request, repository, b"".join(body))
        if request.kind in ("manifest.get", "manifest.head"):
            return self._get_manifest(request, repository)
        return self._pass(request, repository, body)

    def _get_manifest(self, request: Seen, repository: Repository) -> Reply:
        """From what the API has: an image that BatchDeleteImage took is not found any more."""
        image = self.image(request.repository, request.name)
        if image is None:
            return error(404, "MANIFEST_UNKNOWN", "Requested image not found")
        headers = {
            "Content-Type": str(image.image_manifest_media_type),
            "Docker-Content-Digest": image.image_digest,
        }
        return Reply(200, headers, str(image.image_manifest).encode())

    def _put_manifest(self, request: Seen, repository: Repository, manifest: bytes) -> Reply:
        """One at a time, so that of two pushes to a tag that never moves one comes first.

        https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
        """
        digest = str(digest_of(manifest))
        tag = None if request.name.startswith("sha256:") else request.name
        with self._lock:
            held = self.image(request.repository, request.name)
            if tag and held is not None and repository.is_tag_immutable():
                text = IMMUTABLE.format(tag=tag, name=request.repository)
                return error(400, "TAG_INVALID", text)
            passed = self._pass(request, repository, iter((manifest,)))
            passed.drain_conn()
            if passed.status != 201:
                return Reply(passed.status, dict(passed.headers), passed.data)
            self._note_image(repository, tag, digest, manifest, request.headers.get("content-type", ""))
        place = f"/v2/{request.repository}/manifests/{digest}"
        return Reply(201, {"Location": place, "Docker-Content-Digest": digest})

    def _note_image(
        self, repository: Repository, tag: str | None, digest: str, manifest: bytes, media_type: str
    ) -> None:
        """A tag that moves leaves its old image without one, where moto would delete it."""
        for other in repository.images:
            if tag is not None and other.image_digest != digest:
                other.remove_tag(tag)
        known = next((one for one in repository.images if one.image_digest == digest), None)
        if known is None:
            known = Image(self.account, tag or "", manifest.decode(), repository.name, media_type, digest)
            known.image_tags = [tag] if tag else []
            repository.images.append(known)
        elif tag is not None:
            known.update_tag(tag)

    def _pass(self, request: Seen, repository: Repository, body: Iterator[bytes]) -> urllib3.BaseHTTPResponse:
        """Ask the program. A repository that was deleted and made again is another one there."""
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        what, query = self._upstream_path(request, repository)
        counted = self._counted(request.repository, body) if request.kind.startswith("upload.p") else body
        return self._pool.request(
            request.method,
            f"http://{self.upstream}{what}{f'?{query}' if query else ''}",
            body=None if request.method in ("GET", "HEAD") else counted,
            headers=headers,
            preload_content=False,
            redirect=False,
        )

    def _upstream_path(self, request: Seen, repository: Repository) -> tuple[str, str]:
        what = {"m": "manifests", "b": "blobs", "u": "blobs/uploads", "o": "tags"}[request.kind[0]]
        query, mount = request.query, request.mount
        if mount is not None:
            source = self.repository(mount[1]) if self.mounting else None
            query = f"mount={mount[0]}&from={inner_name(source)}" if source is not None else ""
        return f"/v2/{inner_name(repository)}/{what}/{request.name}", query

    def _counted(self, repository: str, body: Iterator[bytes]) -> Iterator[bytes]:
        for piece in body:
            self.uploaded[repository] += len(piece)
            yield piece

    def outer(self, request: Seen, location: str) -> str:
        """A place in the program's words as this registry's clients know it."""
        repository = self.repository(request.repository)
        path = location.partition(self.upstream)[2] or location
        return (
            path.replace(f"/v2/{inner_name(repository)}/", f"/v2/{request.repository}/")
            if repository
            else path
        )


def inner_name(repository: Repository) -> str:
    """What the program calls a repository."""
    inner: str = repository.__dict__.setdefault("inner_name", f"r{uuid.uuid4().hex[:12]}")
    return inner


def _failure(status: int) -> Reply:
    code, message = _WORDS.get(status, ("UNKNOWN", ""))
    return error(status, code, message) if status < 500 else Reply(status)


@contextmanager
def running_front(
    api: AwsApi, folder: Path, account: str = ACCOUNT, region: str = REGION
) -> Iterator[RegistryFront]:
    """A front and its registry program, for a server to speak for."""
    with running_registry(folder) as upstream:
        yield RegistryFront(api, upstream, account, region)


@contextmanager
def serving(server: FrontServer) -> Iterator[None]:
    """The server answers inside."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def registry_front(
    api: AwsApi, folder: Path, account: str = ACCOUNT, region: str = REGION
) -> Iterator[RegistryFront]:
    """A running front on a loopback port; the API's answers name it while it runs."""
    with running_front(api, folder, account, region) as front:
        server = FrontServer(("127.0.0.1", 0), lambda _: front)
        front.host = f"127.0.0.1:{server.server_port}"
        with serving(server), api.ecr.listening((account, region), front.host):
            yield front
