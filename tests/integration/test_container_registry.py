"""The contract of ContainerRegistry, held by the fake and by the client against the real registry program."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowyard.adapters.oci import OciRegistry, host_architecture
from flowyard.adapters.oci_address import Limits
from flowyard.errors import RegistryError
from flowyard.values import Digest, ImageReference, PublishedImage, Repository
from tests.fakes import FakeContainerRegistry
from tests.integration.images import INDEX, Pusher, digest_of, image, index
from tests.integration.registry_program import PASSWORD, USER, basic_auth, running_registry, token_auth
from tests.integration.token_server import Authority, TokenServer

Put = Callable[[ImageReference, Sequence[Mapping[str, bytes]], Mapping[str, str]], Digest]

QUICK = Limits(connect=2.0, read=5.0, total=3.0, tries=3, backoff=0.05)
ABSENT = Digest(f"sha256:{'0' * 64}")
PATH = "opt/flowyard/description.json"


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


class TestContract:
    def test_a_tag_has_the_digest_of_its_manifest(self, held: Held) -> None:
        reference = held.reference("contract/digest", "one")
        put = held.put(reference, [{"a": b"1"}], {})
        assert held.registry.digest(reference) == put

    def test_a_moved_tag_has_the_new_digest(self, held: Held) -> None:
        reference = held.reference("contract/moved", "one")
        first = held.put(reference, [{"a": b"1"}], {})
        second = held.put(reference, [{"a": b"2"}], {})
        assert (held.registry.digest(reference), first != second) == (second, True)

    def test_an_unknown_tag_is_absent(self, held: Held) -> None:
        held.put(held.reference("contract/tags", "one"), [{"a": b"1"}], {})
        assert held.registry.digest(held.reference("contract/tags", "two")) is None

    def test_an_unknown_repository_is_absent(self, held: Held) -> None:
        assert held.registry.digest(held.reference("contract/nobody", "one")) is None

    def test_the_last_layers_file_is_read_by_digest_after_the_tag_moved(self, held: Held) -> None:
        reference = held.reference("contract/file", "one")
        first = held.put(reference, [{"a": b"1"}, {"b": b"x", PATH: b'{"v": 1}'}], {})
        held.put(reference, [{"a": b"1"}, {PATH: b'{"v": 2}'}], {})
        published = PublishedImage(reference.repository, first)
        assert held.registry.last_layer_file(published, PATH) == b'{"v": 1}'

    def test_a_file_of_a_lower_layer_is_not_taken(self, held: Held) -> None:
        reference = held.reference("contract/lower", "one")
        published = PublishedImage(reference.repository, held.put(reference, [{PATH: b"1"}, {"a": b"2"}], {}))
        with pytest.raises(RegistryError, match=r"no file opt/flowyard/description\.json"):
            held.registry.last_layer_file(published, PATH)

    def test_a_file_of_an_unknown_image_is_an_error(self, held: Held) -> None:
        reference = held.reference("contract/file", "one")
        held.put(reference, [{PATH: b"1"}], {})
        with pytest.raises(RegistryError, match=str(ABSENT)):
            held.registry.last_layer_file(PublishedImage(reference.repository, ABSENT), PATH)

    def test_a_base_is_its_digest_and_environment(self, held: Held) -> None:
        reference = held.reference("contract/base", "3.13-slim")
        env = {"PYTHON_VERSION": "3.13.1", "PATH": "/usr/bin", "OPTS": "a=b"}
        put = held.put(reference, [{"a": b"1"}], env)
        assert held.registry.base(reference) == (put, env)

    def test_an_unknown_base_is_an_error(self, held: Held) -> None:
        with pytest.raises(RegistryError, match="contract/base:none"):
            held.registry.base(held.reference("contract/base", "none"))


def test_an_uncompressed_layer_is_read(open_host: str) -> None:
    repository = Repository(open_host, "plain")
    digest = Pusher().push(repository, "one", image([{PATH: b"plain"}], compressed=False))
    with OciRegistry(QUICK) as registry:
        assert registry.last_layer_file(PublishedImage(repository, digest), PATH) == b"plain"


def test_of_several_platforms_this_machines_is_read_and_the_index_is_the_digest(open_host: str) -> None:
    repository = Repository(open_host, "platforms")
    ours = image([{PATH: b"ours"}], {"PYTHON_VERSION": "3.13.1"})
    others = image([{PATH: b"others"}], {"PYTHON_VERSION": "3.12.0"})
    attestation = image([{"attestation": b""}])
    several = index({"linux/mips": others, f"linux/{host_architecture()}": ours}, attestation)
    pusher = Pusher()
    for each in (ours, others, attestation):
        pusher.push(repository, str(each.digest), each)
    pusher.manifest(repository, "several", several, INDEX)
    reference = ImageReference(repository, "several")
    with OciRegistry(QUICK) as registry:
        assert registry.digest(reference) == digest_of(several)
        assert registry.base(reference) == (digest_of(several), {"PYTHON_VERSION": "3.13.1"})
        assert registry.last_layer_file(PublishedImage(repository, digest_of(several)), PATH) == b"ours"


class TestBasic:
    def test_without_credentials_the_error_says_how_to_log_in(self, basic_host: str, tmp_path: Path) -> None:
        with (
            OciRegistry(QUICK, docker_config(tmp_path, {})) as registry,
            pytest.raises(RegistryError) as caught,
        ):
            registry.digest(ImageReference(Repository(basic_host, "a"), "one"))
        assert (caught.value.message, caught.value.hint) == (
            f"{basic_host}/a:one: the container registry answered HTTP 401 UNAUTHORIZED (authentication required)",
            f"docker login {basic_host}",
        )

    def test_a_wrong_password_is_refused_and_not_told(self, basic_host: str, tmp_path: Path) -> None:
        environ = docker_config(tmp_path, login(basic_host, USER, "wrong-password"))
        with OciRegistry(QUICK, environ) as registry, pytest.raises(RegistryError) as caught:
            registry.digest(ImageReference(Repository(basic_host, "a"), "one"))
        assert caught.value.message.endswith("HTTP 401 UNAUTHORIZED (authentication required)")
        assert "wrong-password" not in f"{caught.value.message} {caught.value.hint}"

    @pytest.mark.parametrize("section", ["credHelpers", "credsStore"])
    def test_a_credential_helper_is_asked_on_its_input(
        self, basic_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str
    ) -> None:
        helper = tmp_path / "docker-credential-tests"
        secret = json.dumps({"ServerURL": basic_host, "Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\necho \"$* $(cat)\" >> '{tmp_path}/asked'\necho '{secret}'\n")
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        named = {"credHelpers": {basic_host: "tests"}, "credsStore": "tests"}[section]
        environ = docker_config(tmp_path / "docker", {section: named})
        basic_pusher().push(Repository(basic_host, "helped"), "one", image([{"a": b"1"}]))
        with OciRegistry(QUICK, environ) as registry:
            for tag in ("one", "one", "two"):
                registry.digest(ImageReference(Repository(basic_host, "helped"), tag))
        assert (tmp_path / "asked").read_text() == f"get {basic_host}\n"


class TestToken:
    def test_anonymous_reads_what_is_public(
        self, token_host: str, tokens: TokenServer, authority: Authority, tmp_path: Path
    ) -> None:
        reference = ImageReference(Repository(token_host, "public/a"), "one")
        put = token_putting(authority)(reference, [{"a": b"1"}], {})
        tokens.requests.clear()
        with OciRegistry(QUICK, docker_config(tmp_path, {})) as registry:
            found = [registry.digest(reference), registry.digest(reference), registry.base(reference)[0]]
        assert (found, tokens.requests) == ([put, put, put], [("GET", "")])

    def test_anonymous_is_refused_what_is_not_public(self, token_host: str, tmp_path: Path) -> None:
        with (
            OciRegistry(QUICK, docker_config(tmp_path, {})) as registry,
            pytest.raises(RegistryError) as caught,
        ):
            registry.digest(ImageReference(Repository(token_host, "private/a"), "one"))
        assert caught.value.message.endswith("HTTP 401 UNAUTHORIZED (authentication required)")
        assert caught.value.hint == f"docker login {token_host}"

    def test_a_password_gets_one_token_for_each_repository(
        self, token_host: str, tokens: TokenServer, authority: Authority, tmp_path: Path
    ) -> None:
        references = [ImageReference(Repository(token_host, f"private/{name}"), "one") for name in "ab"]
        put = [token_putting(authority)(reference, [{"a": b"1"}], {}) for reference in references]
        tokens.requests.clear()
        environ = docker_config(tmp_path, login(token_host, tokens.user, tokens.password))
        with OciRegistry(QUICK, environ) as registry:
            found = [registry.digest(reference) for reference in references * 2]
        assert (found, tokens.requests) == (put * 2, [("GET", tokens.user)] * 2)

    def test_a_wrong_password_is_refused_and_not_told(
        self, token_host: str, tokens: TokenServer, tmp_path: Path
    ) -> None:
        environ = docker_config(tmp_path, login(token_host, tokens.user, "wrong-password"))
        with OciRegistry(QUICK, environ) as registry, pytest.raises(RegistryError) as caught:
            registry.digest(ImageReference(Repository(token_host, "private/a"), "one"))
        server = tokens.realm.removeprefix("http://").removesuffix("/token")
        assert (caught.value.message, caught.value.hint) == (
            f"token server {server} of {token_host}: no token: HTTP 401 UNAUTHORIZED"
            " (incorrect username or password)",
            f"docker login {token_host}",
        )

    def test_an_identity_token_is_exchanged(
        self, token_host: str, tokens: TokenServer, authority: Authority, tmp_path: Path
    ) -> None:
        reference = ImageReference(Repository(token_host, "private/identity"), "one")
        put = token_putting(authority)(reference, [{"a": b"1"}], {})
        tokens.requests.clear()
        auths = {"auths": {token_host: {"auth": "", "identitytoken": tokens.identity}}}
        with OciRegistry(QUICK, docker_config(tmp_path, auths)) as registry:
            assert registry.digest(reference) == put
        assert tokens.requests == [("POST", tokens.user)]


class TestTls:
    @pytest.fixture
    def reference(
        self, authority: Authority, pems: tuple[Path, Path], tmp_path: Path
    ) -> Iterator[ImageReference]:
        """An image in a registry whose token server speaks HTTPS with a private certificate."""
        with (
            TokenServer(authority, tls=pems) as server,
            running_registry(tmp_path, token_auth(server.realm, pems[0])) as host,
        ):
            reference = ImageReference(Repository(host, "public/tls"), "one")
            token_putting(authority)(reference, [{"a": b"1"}], {})
            yield reference

    def test_a_private_authority_is_trusted_when_named(
        self,
        reference: ImageReference,
        pems: tuple[Path, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(pems[0]))
        with OciRegistry(QUICK, docker_config(tmp_path / "docker", {})) as registry:
            assert registry.digest(reference) == image([{"a": b"1"}]).digest

    def test_an_unknown_authority_is_not_trusted(self, reference: ImageReference, tmp_path: Path) -> None:
        environ = docker_config(tmp_path / "docker", {})
        with OciRegistry(QUICK, environ) as registry, pytest.raises(RegistryError) as caught:
            registry.digest(reference)
        assert "certificate" in caught.value.message
        assert (
            caught.value.hint == "set SSL_CERT_FILE to a file that also holds the authority which signed it"
        )


def test_a_registry_without_authentication_costs_no_docker_package(open_host: str) -> None:
    program = (
        "import sys; from flowyard.adapters.oci import OciRegistry;"
        "assert 'urllib3' not in sys.modules;"
        "from flowyard.values import ImageReference, Repository;"
        f"print(OciRegistry().digest(ImageReference(Repository({open_host!r}, 'nobody'), 'one')));"
        "print(sorted({'docker', 'requests', 'tarfile', 'pydantic', 'subprocess'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.stderr) == ("None\n[]\n", "")
