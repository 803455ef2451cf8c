"""Challenges, manifests and errors, read from what registries send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowyard.adapters.oci_format import (
    Challenge,
    Descriptor,
    header_digest,
    image_environment,
    is_index,
    json_object,
    last_layer,
    parse_challenges,
    platform_manifest,
    registry_error,
    verify,
)
from flowyard.errors import RegistryError
from flowyard.images import Digest

ONE, TWO = Digest(f"sha256:{'1' * 64}"), Digest(f"sha256:{'2' * 64}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (Challenge("basic", {}),)),
        ('Basic realm="a, b"', (Challenge("basic", {"realm": "a, b"}),)),
        (
            'Bearer realm="https://t.example/token",service="r",scope="repository:a/b:pull,push"',
            (
                Challenge(
                    "bearer",
                    {"realm": "https://t.example/token", "service": "r", "scope": "repository:a/b:pull,push"},
                ),
            ),
        ),
        (
            'bearer  Realm = "https://t.example" , service=plain',
            (Challenge("bearer", {"realm": "https://t.example", "service": "plain"}),),
        ),
        (r'Basic realm="say \"hi\", \\"', (Challenge("basic", {"realm": 'say "hi", \\'}),)),
        (
            'Basic realm="x", Bearer realm="https://t.example",service="s", Negotiate',
            (
                Challenge("basic", {"realm": "x"}),
                Challenge("bearer", {"realm": "https://t.example", "service": "s"}),
                Challenge("negotiate", {}),
            ),
        ),
        (
            'Negotiate abc+/==, Bearer realm="https://t.example"',
            (Challenge("negotiate", {}), Challenge("bearer", {"realm": "https://t.example"})),
        ),
        (
            'Negotiate, Bearer realm="https://t.example"',
            (Challenge("negotiate", {}), Challenge("bearer", {"realm": "https://t.example"})),
        ),
        ('Basic realm="never closed', (Challenge("basic", {}),)),
        ('"nonsense"', ()),
    ],
)
def test_challenges_are_read(header: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == expected


def entry(digest: Digest, system: str, architecture: str, variant: str = "", **more: Any) -> dict[str, Any]:
    platform = {"os": system, "architecture": architecture}
    platform |= {"variant": variant} if variant else {}
    return {"digest": str(digest), "size": 2, "mediaType": "m", "platform": platform, **more}


ATTESTATION = entry(
    TWO, "unknown", "unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"}
)


ARM_V5 = entry(TWO, "linux", "arm", "v5")


@pytest.mark.parametrize(
    "manifests",
    [
        [entry(ONE, "linux", "arm64"), entry(TWO, "linux", "amd64")][::-1],
        [entry(TWO, "windows", "arm64"), entry(ONE, "linux", "arm64")],
        [entry(ONE, "linux", "amd64"), ATTESTATION],
        [{"digest": str(ONE), "size": 2, "mediaType": "m"}],
    ],
)
def test_the_image_for_the_architecture_or_the_only_one_is_chosen(manifests: list[Any]) -> None:
    assert platform_manifest({"manifests": manifests}, "arm64", "a:b") == ONE


@pytest.mark.parametrize(
    ("architecture", "manifests"),
    [
        ("arm/v7", [ARM_V5, entry(ONE, "linux", "arm", "v7"), entry(TWO, "linux", "arm64")]),
        ("arm/v7", [ARM_V5, entry(ONE, "linux", "arm")]),  # v7 is meant
        ("arm/v7", [ARM_V5, entry(ONE, "linux", "arm", "v6")]),  # an older one runs as well
        ("arm64", [entry(TWO, "linux", "arm", "v8"), entry(ONE, "linux", "arm64", "v8")]),
        ("amd64", [entry(ONE, "linux", "amd64"), entry(TWO, "linux", "386")]),
    ],
)
def test_a_variant_counts(architecture: str, manifests: list[Any]) -> None:
    assert platform_manifest({"manifests": manifests}, architecture, "a:b") == ONE
    assert platform_manifest({"manifests": manifests[::-1]}, architecture, "a:b") == ONE


def test_a_newer_variant_is_another_processor_and_no_processor_fits_none() -> None:
    newer = [entry(ONE, "linux", "amd64", "v3"), entry(TWO, "linux", "arm", "v7")]
    with pytest.raises(RegistryError, match="no image for linux/amd64; the index offers linux/amd64/v3"):
        platform_manifest({"manifests": newer}, "amd64", "a:b")
    with pytest.raises(RegistryError, match="which of them is for this machine is not known"):
        platform_manifest({"manifests": newer}, None, "a:b")


def test_a_platform_that_is_missing_is_said_with_those_that_are_there() -> None:
    manifests = [entry(ONE, "linux", "arm64"), entry(TWO, "windows", "amd64"), ATTESTATION]
    with pytest.raises(RegistryError) as caught:
        platform_manifest({"manifests": manifests}, "amd64", "a:b")
    expected = "a:b: there is no image for linux/amd64; the index offers linux/arm64, windows/amd64"
    assert caught.value.message == expected


def test_an_index_of_attestations_holds_no_image() -> None:
    with pytest.raises(RegistryError, match="the index offers no image"):
        platform_manifest({"manifests": [ATTESTATION]}, "amd64", "a:b")


def test_an_index_is_known_by_its_manifests() -> None:
    documents: list[dict[str, Any]] = [{"manifests": []}, {"layers": []}, {"manifests": "x"}]
    assert [is_index(document) for document in documents] == [
        True,
        False,
        False,
    ]


def test_the_last_layer_is_the_topmost() -> None:
    layers = [{"digest": str(d), "size": s, "mediaType": "m"} for d, s in ((ONE, 1), (TWO, 2))]
    assert last_layer({"layers": layers}, "a:b") == Descriptor(TWO, 2, "m")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({}, "a:b: the manifest has no layers, so it is not a container image's"),
        ({"layers": []}, "a:b: the manifest has no layers, so it is not a container image's"),
        ({"layers": [{"size": 1}]}, "a:b: the manifest has a malformed entry where a blob should be"),
        ({"layers": ["x"]}, "a:b: the manifest has a malformed entry where a blob should be"),
    ],
)
def test_a_manifest_without_layers_is_an_error(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        last_layer(manifest, "a:b")
    assert caught.value.message == message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
def test_what_is_not_a_json_object_is_an_error(body: bytes) -> None:
    with pytest.raises(RegistryError, match="not a JSON object"):
        json_object(body, "a:b")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"config": {"Env": ["A=1", "B=x=y", "A=2", "C="]}}, {"A": "2", "B": "x=y", "C": ""}),
        ({"config": {"Env": None}}, {}),
        ({"config": {}}, {}),
        ({}, {}),
    ],
)
def test_the_environment_is_read(document: dict[str, Any], expected: dict[str, str]) -> None:
    assert image_environment(document, "a:b") == expected


def test_an_environment_of_another_shape_is_an_error() -> None:
    with pytest.raises(RegistryError, match="not a list of NAME=value"):
        image_environment({"config": {"Env": {"A": "1"}}}, "a:b")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"errors": [{"code": "DENIED", "message": "no\taccess\x1b[2J"}]}, ("DENIED", "no access [2J")),
        ({"errors": [{"code": "DENIED"}]}, ("DENIED", "")),
        ({"errors": [{"code": "X", "message": "m" * 400}]}, ("X", "m" * 300)),
        ({"errors": []}, ("", "")),
        ({"errors": ["text"]}, ("", "")),
        ([], ("", "")),
    ],
)
def test_the_registrys_own_error_is_read(document: Any, expected: tuple[str, str]) -> None:
    assert registry_error(json.dumps(document).encode()) == expected


def test_an_error_page_holds_no_registry_error() -> None:
    assert registry_error(b"<html>\xff") == ("", "")


def test_content_is_what_its_digest_says() -> None:
    empty = Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    verify(b"", empty, "a:b")
    with pytest.raises(RegistryError) as caught:
        verify(b"", ONE, "a:b")
    assert caught.value.message == f"a:b: the content is {empty}, but {ONE} was asked for"


def test_a_header_holds_a_digest_or_is_an_error() -> None:
    assert header_digest(f" {ONE} ", "a:b") == ONE
    with pytest.raises(RegistryError, match="not a sha256 digest"):
        header_digest("sha512:12", "a:b")
