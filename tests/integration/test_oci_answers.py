"""The client against answers that a well-behaved registry never gives: lies, limits, redirects, outages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowyard.adapters.oci import MOST_LAYER, OciRegistry
from flowyard.adapters.oci_address import Limits
from flowyard.errors import RegistryError
from flowyard.images import Digest, ImageReference, PublishedImage, Repository
from tests.integration.images import digest_of, image
from tests.integration.scripted_server import Asked, Reply, ScriptedServer

QUICK = Limits(connect=2.0, read=2.0, total=2.0, tries=4, backoff=0.02)
PATH = "opt/flowyard/description.json"
IMAGE = image([{PATH: b"found"}])
TAG = "/v2/flows/etl/manifests/one"
OTHER = Digest(f"sha256:{'1' * 64}")
NAMED = {"Docker-Content-Digest": str(IMAGE.digest)}
UNKNOWN = Reply(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}).encode())

Script = Mapping[str, Sequence[Reply]]


def reference(server: ScriptedServer) -> ImageReference:
    return ImageReference(Repository(server.host, "flows/etl"), "one")


def published(server: ScriptedServer) -> PublishedImage:
    return PublishedImage(Repository(server.host, "flows/etl"), IMAGE.digest)


def manifest_path(digest: Digest) -> str:
    return f"/v2/flows/etl/manifests/{digest}"


def blob_path(content: bytes) -> str:
    return f"/v2/flows/etl/blobs/{digest_of(content)}"


def ask_digest(script: Script, limits: Limits = QUICK) -> tuple[Digest | None, list[Asked]]:
    with ScriptedServer(script) as server, OciRegistry(limits, {}) as registry:
        return registry.digest(reference(server)), server.asked


def digest_error(script: Script, limits: Limits = QUICK) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        ask_digest(script, limits)
    return caught.value


def file_error(script: Script) -> RegistryError:
    with (
        ScriptedServer(script) as server,
        OciRegistry(QUICK, {}) as registry,
        pytest.raises(RegistryError) as caught,
    ):
        registry.last_layer_file(published(server), PATH)
    return caught.value


class TestDigest:
    def test_one_question_is_enough_for_the_digest_and_the_manifest(self) -> None:
        script = {
            f"GET {TAG}": [Reply(200, IMAGE.manifest, NAMED)],
            f"GET {blob_path(IMAGE.blobs[-1])}": [Reply(200, IMAGE.blobs[-1])],
        }
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            assert registry.find(reference(server)) == published(server)
            assert registry.last_layer_file(published(server), PATH) == b"found"
            assert server.asked == [Asked("GET", TAG), Asked("GET", blob_path(IMAGE.blobs[-1]))]

    def test_without_the_header_the_body_is_hashed(self) -> None:
        script = {f"GET {TAG}": [Reply(200, IMAGE.manifest)]}
        assert ask_digest(script) == (IMAGE.digest, [Asked("GET", TAG)])

    def test_a_header_that_is_no_digest_is_an_error(self) -> None:
        error = digest_error(
            {f"GET {TAG}": [Reply(200, IMAGE.manifest, {"Docker-Content-Digest": "latest"})]}
        )
        assert error.message.endswith("flows/etl:one: Docker-Content-Digest is 'latest', not a sha256 digest")

    def test_a_header_that_contradicts_the_body_is_an_error(self) -> None:
        lie = Reply(200, IMAGE.manifest, {"Docker-Content-Digest": str(OTHER)})
        error = digest_error({f"GET {TAG}": [lie]})
        assert f"the content is {IMAGE.digest}, but {OTHER} was asked for" in error.message

    def test_a_404_that_is_not_the_registrys_own_is_an_error(self) -> None:
        page = Reply(404, b"<html>not found</html>")
        error = digest_error({f"GET {TAG}": [page]})
        assert error.message.endswith("flows/etl:one: the container registry answered HTTP 404")

    def test_a_refusal_names_status_code_message_and_login(self) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": "no\x1b access"}]}).encode()
        script = {f"GET {TAG}": [Reply(403, body)]}
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            with pytest.raises(RegistryError) as caught:
                registry.digest(reference(server))
            assert (caught.value.message, caught.value.hint) == (
                f"{server.host}/flows/etl:one: the container registry answered HTTP 403 DENIED (no  access)",
                f"docker login {server.host}, with an account that may pull flows/etl",
            )


class TestRetries:
    def test_503_twice_then_200(self) -> None:
        script = {f"GET {TAG}": [Reply(503), Reply(503), Reply(200, IMAGE.manifest, NAMED)]}
        assert ask_digest(script) == (IMAGE.digest, [Asked("GET", TAG)] * 3)

    def test_retry_after_is_waited_for(self) -> None:
        began = time.monotonic()
        limited = Reply(429, headers={"Retry-After": "1"})
        assert ask_digest({f"GET {TAG}": [limited, Reply(200, IMAGE.manifest, NAMED)]})[0] == IMAGE.digest
        assert 1.0 <= time.monotonic() - began < 2.0

    def test_a_wait_beyond_the_limit_is_not_begun(self) -> None:
        began = time.monotonic()
        error = digest_error({f"GET {TAG}": [Reply(429, headers={"Retry-After": "3600"})]})
        assert error.message.endswith("the container registry answered HTTP 429")
        assert error.hint == "the registry limits how often it is asked: wait, or log in"
        assert time.monotonic() - began < 1.0

    def test_tries_are_bounded(self) -> None:
        with ScriptedServer({f"GET {TAG}": [Reply(502)]}) as server, OciRegistry(QUICK, {}) as registry:
            with pytest.raises(RegistryError, match="HTTP 502"):
                registry.digest(reference(server))
            assert server.asked == [Asked("GET", TAG)] * QUICK.tries

    def test_500_is_tried_again(self) -> None:
        script = {f"GET {TAG}": [Reply(500), Reply(200, IMAGE.manifest, NAMED)]}
        assert ask_digest(script) == (IMAGE.digest, [Asked("GET", TAG)] * 2)

    def test_nobody_there_is_said_with_what_to_do(self) -> None:
        with ScriptedServer({}) as server:
            gone = reference(server)
        with OciRegistry(QUICK, {}) as registry, pytest.raises(RegistryError) as caught:
            registry.digest(gone)
        host = gone.repository.host
        assert (caught.value.message, caught.value.hint) == (
            f"{gone}: cannot connect to {host} ([Errno 111] Connection refused)",
            "start it (`python build.py up`), or correct the address",
        )


class TestTokens:
    CHALLENGE: Mapping[str, str] = {
        "WWW-Authenticate": 'Negotiate, Bearer realm="http://127.0.0.1:{port}/token",service="a, b"'
    }

    def test_an_expired_token_is_renewed_once(self) -> None:
        good, bad = Reply(200, IMAGE.manifest, NAMED), Reply(401, headers=self.CHALLENGE)
        tokens = [Reply(200, b'{"token": "first"}'), Reply(200, b'{"access_token": "second"}')]
        script = {f"GET {TAG}": [bad, good, bad, good], "GET /token": tokens}
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            assert [registry.digest(reference(server)) for _ in range(2)] == [IMAGE.digest] * 2
            ask = Asked("GET", "/token?scope=repository%3Aflows%2Fetl%3Apull&service=a%2C+b")
            assert server.asked == [
                Asked("GET", TAG),
                ask,
                Asked("GET", TAG, "Bearer first"),
                Asked("GET", TAG, "Bearer first"),
                ask,
                Asked("GET", TAG, "Bearer second"),
            ]

    def test_a_token_that_is_refused_is_not_asked_for_again(self) -> None:
        bad = Reply(401, headers=self.CHALLENGE)
        script = {f"GET {TAG}": [bad], "GET /token": [Reply(200, b'{"token": "t"}')]}
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            with pytest.raises(RegistryError, match="HTTP 401"):
                registry.digest(reference(server))
            assert [asked.method for asked in server.asked] == ["GET"] * 3

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nb"}'])
    def test_an_answer_without_a_token_is_an_error(self, body: bytes) -> None:
        script = {f"GET {TAG}": [Reply(401, headers=self.CHALLENGE)], "GET /token": [Reply(200, body)]}
        assert digest_error(script).message.startswith("token server 127.0.0.1:")


class TestContent:
    BLOB = IMAGE.blobs[-1]

    def script(self, blob: Reply) -> dict[str, list[Reply]]:
        return {
            f"GET {manifest_path(IMAGE.digest)}": [Reply(200, IMAGE.manifest)],
            f"GET {blob_path(self.BLOB)}": [blob],
        }

    def test_a_manifest_that_is_not_the_one_asked_for_is_an_error(self) -> None:
        error = file_error({f"GET {manifest_path(IMAGE.digest)}": [Reply(200, image([{}]).manifest)]})
        assert f"but {IMAGE.digest} was asked for" in error.message

    def test_a_layer_that_is_not_the_one_asked_for_is_an_error(self) -> None:
        error = file_error(self.script(Reply(200, b"something else")))
        assert f"but {digest_of(self.BLOB)} was asked for" in error.message

    def test_a_layer_that_is_longer_than_allowed_is_an_error(self) -> None:
        error = file_error(self.script(Reply(200, b"x" * (MOST_LAYER + 1))))
        assert error.message.endswith(
            f"the container registry sent more than the {MOST_LAYER} bytes allowed here"
        )

    def test_a_layer_that_says_it_is_too_large_is_not_fetched(self) -> None:
        large = image([{PATH: b"x" * MOST_LAYER}], compressed=False)
        script = {f"GET {manifest_path(large.digest)}": [Reply(200, large.manifest)]}
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            with pytest.raises(RegistryError, match="at most 1048576 are read"):
                registry.last_layer_file(
                    PublishedImage(Repository(server.host, "flows/etl"), large.digest), PATH
                )
            assert server.asked == [Asked("GET", manifest_path(large.digest))]

    def test_a_redirect_to_another_host_does_not_see_the_authorization(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with ScriptedServer({"GET /signed": [Reply(200, self.BLOB)]}) as store:
            moved = Reply(307, headers={"Location": f"http://{store.host}/signed?signature=s"})
            script = {
                **self.script(moved),
                f"GET {manifest_path(IMAGE.digest)}": [
                    Reply(401, headers=TestTokens.CHALLENGE),
                    Reply(200, IMAGE.manifest),
                ],
                "GET /token": [Reply(200, b'{"token": "t"}')],
            }
            with (
                ScriptedServer(script) as server,
                OciRegistry(QUICK, {"DOCKER_CONFIG": str(tmp_path)}) as registry,
            ):
                assert registry.last_layer_file(published(server), PATH) == b"found"
                assert server.asked[-1] == Asked("GET", blob_path(self.BLOB), "Bearer t")
            assert store.asked == [Asked("GET", "/signed?signature=s")]

    def test_a_redirect_on_the_same_host_keeps_the_authorization(self) -> None:
        script = {
            **self.script(Reply(307, headers={"Location": "/moved"})),
            f"GET {manifest_path(IMAGE.digest)}": [
                Reply(401, headers=TestTokens.CHALLENGE),
                Reply(200, IMAGE.manifest),
            ],
            "GET /token": [Reply(200, b'{"token": "t"}')],
            "GET /moved": [Reply(200, self.BLOB)],
        }
        with ScriptedServer(script) as server, OciRegistry(QUICK, {}) as registry:
            assert registry.last_layer_file(published(server), PATH) == b"found"
            assert server.asked[-1] == Asked("GET", "/moved", "Bearer t")

    def test_a_redirect_to_plain_http_elsewhere_is_not_followed(self) -> None:
        error = file_error(self.script(Reply(307, headers={"Location": "http://store.example/blob"})))
        assert "http://store.example is not asked; it must be https" in error.message

    def test_a_circle_of_redirects_ends(self) -> None:
        error = file_error(self.script(Reply(307, headers={"Location": blob_path(self.BLOB)})))
        assert error.message.endswith("redirects more than 5 times")

    def test_a_body_that_ends_too_early_is_an_error(self) -> None:
        cut = Reply(200, b"", {"Content-Length": "10", "Connection": "close"})
        error = file_error(self.script(cut))
        assert "did not answer completely (ProtocolError: IncompleteRead(0 bytes read" in error.message


def test_an_unknown_tag_is_absent() -> None:
    assert ask_digest({f"GET {TAG}": [UNKNOWN]})[0] is None
