"""Publishing, and reading back what an image says about itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowyard.errors import RegistryError
from flowyard.images import Digest, ImageReference, PublishedImage, Repository
from flowyard.publish import publish
from flowyard.registering.description import parse_description, read_description
from flowyard.render import DESCRIPTION
from tests.fakes import FakeContainerRegistry
from tests.fakes_builder import description_json
from tests.support import Described

REFERENCE = ImageReference(Repository("r.example", "etl"), "key")
OTHER = Digest(f"sha256:{'e' * 64}")
DESCRIBED = Described({"day": {"type": "string"}}).image("flow.py", "other.py")


def test_the_digest_the_registry_holds_is_the_image() -> None:
    registry = FakeContainerRegistry()
    digest = registry.put(REFERENCE, [{"a": b"1"}])
    for pushed in (digest, OTHER):  # somebody else may have been first
        assert publish(registry, REFERENCE, pushed) == PublishedImage(REFERENCE.repository, digest)


def test_a_tag_that_is_not_there_after_the_push_is_an_error() -> None:
    with pytest.raises(
        RegistryError, match=rf"^r\.example/etl:key was pushed as {OTHER}, but the registry does not"
    ):
        publish(FakeContainerRegistry(), REFERENCE, OTHER)


def test_unknown_is_not_absent() -> None:
    with pytest.raises(RegistryError, match="busy"):
        publish(FakeContainerRegistry(RegistryError("busy")), REFERENCE, OTHER)


def test_a_description_is_read_back_as_it_was_written() -> None:
    registry = FakeContainerRegistry()
    digest = registry.put(REFERENCE, [{"a": b"1"}, {DESCRIPTION: description_json(DESCRIBED)}])
    found = read_description(registry, PublishedImage(REFERENCE.repository, digest))
    assert found == DESCRIBED
    assert found.flow("other.py").requested == "other.py"
    with pytest.raises(KeyError):
        found.flow("third.py")


WHOLE: dict[str, Any] = json.loads(description_json(DESCRIBED))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        json.dumps({**WHOLE, "flows": [{}]}).encode(),
        json.dumps({**WHOLE, "flows": 3}).encode(),
    ],
)
def test_a_description_that_cannot_be_read_is_an_error(content: bytes) -> None:
    with pytest.raises(RegistryError, match=r"^IMAGE holds a description that cannot be read: "):
        parse_description(content, "IMAGE")


def test_a_description_of_another_format_is_an_error_with_its_remedy() -> None:
    with pytest.raises(RegistryError) as caught:
        parse_description(json.dumps({**WHOLE, "version": 9}).encode(), "IMAGE")
    assert caught.value.message == "IMAGE describes itself in format 9; this Flowyard reads format 1"
