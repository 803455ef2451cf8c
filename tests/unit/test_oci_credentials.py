"""Docker's configuration is read as Docker means it, and never repeated in a message."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from flowyard.adapters.oci_auth import basic, choose, token_request
from flowyard.adapters.oci_format import Challenge
from flowyard.adapters.registry_credentials import (
    config_file,
    find_credentials,
    login_sections,
    parse_config,
    read_credentials,
)
from flowyard.errors import RegistryError
from flowyard.values import Credentials, Secret

FILE = Path("/home/someone/.docker/config.json")
HUB = "https://index.docker.io/v1/"
READER = Credentials("reader", Secret("correct:horse"))
SCOPE = "repository:a/b:pull"


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def find(document: dict[str, Any], key: str) -> Credentials | None:
    return find_credentials(login_sections(parse_config(json.dumps(document), FILE)), key, FILE)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DOCKER_CONFIG": "/etc/d", "HOME": "/home/x"}, Path("/etc/d/config.json")),
        ({"DOCKER_CONFIG": "", "HOME": "/home/x"}, Path("/home/x/.docker/config.json")),
        ({"HOME": "/home/x"}, Path("/home/x/.docker/config.json")),
    ],
)
def test_the_file_is_where_docker_looks(environ: dict[str, str], expected: Path) -> None:
    assert config_file(environ) == expected


@pytest.mark.parametrize(
    ("auths", "key", "expected"),
    [
        ({"r.example": auth("reader:correct:horse")}, "r.example", READER),
        ({"https://r.example/v2/": auth("reader:correct:horse")}, "r.example", READER),
        ({"r.example:5000": auth("reader:correct:horse")}, "r.example:5000", READER),
        ({"r.example:5000": auth("reader:correct:horse")}, "r.example", None),
        ({"r.example": auth("reader:correct:horse\0\0")}, "r.example", READER),
        ({HUB: auth("reader:correct:horse")}, HUB, READER),
        ({"docker.io": auth("reader:correct:horse")}, HUB, READER),
        (
            {"r.example": {"identitytoken": "t"}},
            "r.example",
            Credentials("", Secret("t"), identity_token=True),
        ),
        ({"r.example": {"auth": ""}}, "r.example", None),
        ({"r.example": {}}, "r.example", None),
        ({}, "r.example", None),
    ],
)
def test_auths_are_read(auths: dict[str, Any], key: str, expected: Credentials | None) -> None:
    assert find({"auths": auths, "currentContext": "x"}, key) == expected


def test_a_configuration_about_other_things_holds_none() -> None:
    assert find({"proxies": {"default": {"httpProxy": "http://p.example"}}}, "r.example") is None


def test_no_file_holds_none(tmp_path: Path) -> None:
    assert read_credentials("r.example", {"DOCKER_CONFIG": str(tmp_path)}) is None


def test_a_file_is_read(tmp_path: Path) -> None:
    content = json.dumps({"auths": {"r.example": auth("reader:correct:horse")}})
    (tmp_path / "config.json").write_text(content)
    assert read_credentials("r.example", {"DOCKER_CONFIG": str(tmp_path)}) == READER


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_broken_file_is_not_taken_for_an_empty_one(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        parse_config(text, FILE)
    assert caught.value.message == f"{FILE} is not a JSON object"


@pytest.mark.parametrize("value", ["c2VjcmV0", "se-cret", {"x": "secret"}, 5])
def test_broken_credentials_are_an_error_that_does_not_repeat_them(value: Any) -> None:
    with pytest.raises(RegistryError) as caught:
        find({"auths": {"r.example": {"auth": value}}}, "r.example")
    assert caught.value.message == f"{FILE}: the credentials in it cannot be read"


def test_a_helper_that_is_not_installed_is_named() -> None:
    with pytest.raises(RegistryError) as caught:
        find({"credHelpers": {"r.example": "of-nobody"}}, "r.example")
    assert caught.value.message == f"{FILE} names docker-credential-of-nobody, which is not on PATH"


def test_credentials_cannot_be_printed() -> None:
    assert "correct:horse" not in f"{READER} {basic(READER)!r}"


BEARER = Challenge("bearer", {"realm": "https://t.example/token?x=1", "service": "s"})


@pytest.mark.parametrize(
    ("challenges", "expected"),
    [
        ((Challenge("basic", {}), BEARER), BEARER),
        ((Challenge("bearer", {}), Challenge("basic", {})), Challenge("basic", {})),
        ((Challenge("negotiate", {}),), None),
        ((), None),
    ],
)
def test_bearer_is_answered_where_it_is_offered(
    challenges: tuple[Challenge, ...], expected: Challenge | None
) -> None:
    assert choose(challenges) == expected


def test_a_token_is_asked_for_with_the_password_in_the_header() -> None:
    request = token_request(BEARER, READER, "r.example", SCOPE)
    assert (request.method, request.url, dict(request.headers), request.body) == (
        "GET",
        "https://t.example/token?x=1&scope=repository%3Aa%2Fb%3Apull&service=s&account=reader",
        {"Authorization": "Basic cmVhZGVyOmNvcnJlY3Q6aG9yc2U="},
        None,
    )
    assert "cmVhZGVy" not in repr(request)


def test_an_identity_token_is_sent_in_the_body() -> None:
    identity = Credentials("", Secret("t&t"), identity_token=True)
    request = token_request(BEARER, identity, "r.example", SCOPE)
    assert (request.method, request.url, request.body) == (
        "POST",
        "https://t.example/token?x=1",
        b"scope=repository%3Aa%2Fb%3Apull&service=s&grant_type=refresh_token&client_id=flowyard&refresh_token=t%26t",
    )


def test_the_challenges_own_scope_is_asked_for() -> None:
    challenge = Challenge("bearer", {"realm": "https://t.example/", "scope": "registry:catalog:*"})
    assert (
        token_request(challenge, None, "r.example", SCOPE).url
        == "https://t.example/?scope=registry%3Acatalog%3A%2A"
    )


@pytest.mark.parametrize(
    "realm", ["http://t.example/token", "http://127.0.0.1:5000/token", "file:///etc/passwd"]
)
def test_a_distant_registry_gets_no_password_sent_in_plain_text(realm: str) -> None:
    with pytest.raises(RegistryError, match="only https:// is asked"):
        token_request(Challenge("bearer", {"realm": realm}), READER, "r.example", SCOPE)
