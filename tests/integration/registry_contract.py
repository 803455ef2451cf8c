"""The contract of ContainerRegistry and Repositories, for whatever holds it: see `Held`.

The modules that collect it give `held` as a fixture.
"""

from __future__ import annotations

import pytest

from flowyard.errors import RegistryError
from flowyard.images import Digest, PublishedImage
from tests.integration.registry_held import Held

ABSENT = Digest(f"sha256:{'0' * 64}")
PATH = "opt/flowyard/description.json"


class RegistryContract:
    """What the pipeline relies on."""

    def test_a_tag_is_the_image_of_its_manifest(self, held: Held) -> None:
        reference = held.reference("contract/digest", "one")
        put = held.put(reference, [{"a": b"1"}], {})
        assert held.registry.find(reference) == PublishedImage(held.real(reference.repository), put)

    def test_a_moved_tag_has_the_new_digest(self, held: Held) -> None:
        reference = held.reference("contract/moved", "one")
        first = held.put(reference, [{"a": b"1"}], {})
        second = held.put(reference, [{"a": b"2"}], {})
        assert (held.digest(reference), first != second) == (second, True)

    def test_an_unknown_tag_is_absent(self, held: Held) -> None:
        held.put(held.reference("contract/tags", "one"), [{"a": b"1"}], {})
        assert held.registry.find(held.reference("contract/tags", "two")) is None

    def test_an_unknown_repository_is_absent(self, held: Held) -> None:
        assert held.registry.find(held.reference("contract/nobody", "one")) is None

    def test_a_ready_repository_is_the_one_that_images_are_found_in(self, held: Held) -> None:
        reference = held.reference("contract/ready", "one")
        ready = held.repositories.ready(reference.repository)
        put = held.put(reference, [{"a": b"1"}], {})
        assert held.registry.find(reference) == PublishedImage(ready, put)
        assert held.repositories.ready(reference.repository) == ready

    def test_the_last_layers_file_is_read_by_digest_after_the_tag_moved(self, held: Held) -> None:
        reference = held.reference("contract/file", "one")
        held.put(reference, [{"a": b"1"}, {"b": b"x", PATH: b'{"v": 1}'}], {})
        published = held.registry.find(reference)
        held.put(reference, [{"a": b"1"}, {PATH: b'{"v": 2}'}], {})
        assert published is not None
        assert held.registry.last_layer_file(published, PATH) == b'{"v": 1}'

    def test_a_file_of_a_lower_layer_is_not_taken(self, held: Held) -> None:
        reference = held.reference("contract/lower", "one")
        held.put(reference, [{PATH: b"1"}, {"a": b"2"}], {})
        published = held.registry.find(reference)
        assert published is not None
        with pytest.raises(RegistryError, match=r"no file opt/flowyard/description\.json"):
            held.registry.last_layer_file(published, PATH)

    def test_equal_layers_of_two_images_are_the_same_layer(self, held: Held) -> None:
        found = []
        for name in ("one", "two"):
            reference = held.reference(f"contract/layers-{name}", "tag")
            held.put(reference, [{"shared": b"x" * 500}, {"own": name.encode()}], {})
            published = held.registry.find(reference)
            assert published is not None
            found.append(held.registry.layers(published))
        (shared, own), (also_shared, other) = found
        assert shared == also_shared
        assert own.digest != other.digest
        assert min(shared.size, own.size, other.size) > 0
        with pytest.raises(RegistryError, match=str(ABSENT)):
            held.registry.layers(PublishedImage(held.real(reference.repository), ABSENT))

    def test_a_file_of_an_unknown_image_is_an_error(self, held: Held) -> None:
        reference = held.reference("contract/file", "one")
        held.put(reference, [{PATH: b"1"}], {})
        with pytest.raises(RegistryError, match=str(ABSENT)):
            held.registry.last_layer_file(PublishedImage(held.real(reference.repository), ABSENT), PATH)
