"""The registries under test: the fake, and the real program with each kind of authentication.

A pytest plugin of the modules that name it in `pytest_plugins`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.oci_address import Limits
from flowyard.values import Digest, ImageReference, Repository
from tests.fakes import FakeContainerRegistry
from tests.integration.images import Pusher, image
from tests.integration.registry_program import PASSWORD, USER, basic_auth, running_registry, token_auth
from tests.integration.token_server import Authority, TokenServer

Put = Callable[[ImageReference, Sequence[Mapping[str, bytes]], Mapping[str, str]], Digest]

QUICK = Limits(connect=2.0, read=5.0, total=3.0, tries=3, backoff=0.05)


@dataclass(frozen=True)
class Held:
    """A registry to test, how to put images into it, and the host it answers for."""

    registry: OciRegistry | FakeContainerRegistry
    put: Put
    host: str

    def reference(self, path: str, tag: str) -> ImageReference:
        return ImageReference(Repository(self.host, path), tag)


def docker_config(folder: Path, document: object) -> dict[str, str]:
    """An environment whose Docker configuration is `document`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(folder)}


def login(host: str, user: str, password: str) -> dict[str, object]:
    """What `docker login` writes without a credential helper."""
    return {"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}


def putting(pusher: Pusher) -> Put:
    def put(
        reference: ImageReference, layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str]
    ) -> Digest:
        return pusher.push(reference.repository, reference.tag, image(layers, env))

    return put


@pytest.fixture(scope="module")
def open_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_registry(tmp_path_factory.mktemp("open")) as host:
        yield host


@pytest.fixture(scope="module")
def basic_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("basic")
    with running_registry(folder, basic_auth(folder)) as host:
        yield host


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pems(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return authority.write(tmp_path_factory.mktemp("pems"))


@pytest.fixture(scope="module")
def tokens(authority: Authority) -> Iterator[TokenServer]:
    with TokenServer(authority) as server:
        yield server


@pytest.fixture(scope="module")
def token_host(
    tokens: TokenServer, pems: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with running_registry(tmp_path_factory.mktemp("token"), token_auth(tokens.realm, pems[0])) as host:
        yield host


def basic_pusher() -> Pusher:
    return Pusher(f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}")


def token_pusher(authority: Authority, path: str) -> Pusher:
    access = [{"type": "repository", "name": path, "actions": ["pull", "push"]}]
    return Pusher(f"Bearer {authority.token(access)}")


def token_putting(authority: Authority) -> Put:
    def put(
        reference: ImageReference, layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str]
    ) -> Digest:
        return putting(token_pusher(authority, reference.repository.path))(reference, layers, env)

    return put


@pytest.fixture(params=["fake", "open", "basic", "token"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    if request.param == "fake":
        fake = FakeContainerRegistry()
        yield Held(fake, fake.put, "registry.example")
        return
    host = request.getfixturevalue(f"{request.param}_host")
    config: dict[str, object] = {}
    put = putting(Pusher())
    if request.param == "basic":
        config, put = login(host, USER, PASSWORD), putting(basic_pusher())
    if request.param == "token":
        server = request.getfixturevalue("tokens")
        config = login(host, server.user, server.password)
        put = token_putting(request.getfixturevalue("authority"))
    with OciRegistry(QUICK, docker_config(tmp_path, config)) as registry:
        yield Held(registry, put, host)
