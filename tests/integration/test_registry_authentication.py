"""Every way to authenticate, against the real registry program and a token server that signs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.oci_http import Http, Request
from flowyard.adapters.registry_certificates import authorities
from flowyard.errors import RegistryError
from flowyard.images import ImageReference, Repository
from tests.integration.images import image
from tests.integration.registry_held import QUICK, basic_pusher, docker_config, login, token_putting
from tests.integration.registry_program import PASSWORD, USER, running_registry, token_auth
from tests.integration.token_server import Authority, TokenServer

pytest_plugins = ("tests.integration.registry_fixtures",)


class TestBasic:
    def test_without_credentials_the_error_says_how_to_log_in(self, basic_host: str, tmp_path: Path) -> None:
        with (
            OciRegistry(QUICK, docker_config(tmp_path, {})) as registry,
            pytest.raises(RegistryError) as caught,
        ):
            registry.digest(ImageReference(Repository(basic_host, "a"), "one"))
        assert (caught.value.message, caught.value.hint) == (
            f"{basic_host}/a:one: the container registry answered HTTP 401 UNAUTHORIZED"
            " (authentication required)",
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
        assert re.fullmatch(
            r"put the authority which signed it into /etc/docker/certs\.d/127\.0\.0\.1:\d+/ca\.crt, where the engine "
            r"looks too, or into the file that SSL_CERT_FILE names",
            caught.value.hint,
        )

    def test_an_authority_is_trusted_where_the_engine_looks_for_that_host(
        self, authority: Authority, pems: tuple[Path, Path], tmp_path: Path
    ) -> None:
        environ = {**docker_config(tmp_path / "docker", {}), "HOME": str(tmp_path)}
        with TokenServer(authority, tls=pems) as server:
            host = server.realm.removeprefix("https://").partition("/")[0]
            assert authorities(host, environ, tmp_path / "system") == ()
            mine = tmp_path / ".docker/certs.d" / host / "ca.crt"
            mine.parent.mkdir(parents=True)
            mine.write_bytes(pems[0].read_bytes())
            assert authorities(host, environ, tmp_path / "system") == (mine,)
            assert authorities("127.0.0.1:1", environ, tmp_path / "system") == ()
            request = Request("GET", f"https://{host}/nothing", "the server", 1000, {})
            # An answer, of a server that expects more.
            assert Http(QUICK, environ).send(request).status == 400
            with pytest.raises(RegistryError, match="certificate"):
                Http(QUICK, {"HOME": str(tmp_path / "other")}).send(request)
            mine.write_text("no certificate")
            with pytest.raises(RegistryError, match="cannot be read as certificates in PEM form"):
                Http(QUICK, environ).send(request)
