"""The registries under test: the fake, and the real program with each kind of authentication.

A pytest plugin of the modules that name it in `pytest_plugins`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyard.adapters.oci import OciRegistry
from tests.fakes import FakeContainerRegistry
from tests.integration.images import Pusher
from tests.integration.registry_held import (
    QUICK,
    Held,
    basic_pusher,
    docker_config,
    login,
    putting,
    token_putting,
)
from tests.integration.registry_program import PASSWORD, USER, basic_auth, running_registry, token_auth
from tests.integration.token_server import Authority, TokenServer


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
