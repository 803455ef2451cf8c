"""The fakes of the ports: small programs that keep the same contracts as the real adapters.

The contract tests run on them and on the real ones, so a unit test that uses a fake proves something.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowyard.errors import RegistryError
from flowyard.images import Digest, ImageReference, Layer, PublishedImage, Repository
from flowyard.values import Credentials


@dataclass(frozen=True, slots=True)
class FakeImage:
    """An image: its layers from bottom to top (path to content), and the variables it sets."""

    layers: tuple[Mapping[str, bytes], ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> Digest:
        """The same content always has the same digest."""
        layers = [{path: content.hex() for path, content in layer.items()} for layer in self.layers]
        text = json.dumps([layers, dict(self.env)], sort_keys=True)
        return Digest(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")


class FakeContainerRegistry:
    """A ContainerRegistry and BaseImages in memory. With `failure` set, every question raises it."""

    def __init__(self, failure: RegistryError | None = None) -> None:
        self.failure = failure
        self._tags: dict[ImageReference, Digest] = {}
        self._images: dict[PublishedImage, FakeImage] = {}

    def put(
        self,
        reference: ImageReference,
        layers: Sequence[Mapping[str, bytes]],
        env: Mapping[str, str] | None = None,
    ) -> Digest:
        """Hold an image under a tag, which moves when it was there before."""
        image = FakeImage(tuple(layers), dict(env or {}))
        digest = image.digest()
        self._images[PublishedImage(reference.repository, digest)] = image
        self._tags[reference] = digest
        return digest

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """As ContainerRegistry.find."""
        digest = self.digest(reference)
        return None if digest is None else PublishedImage(reference.repository, digest)

    def ready(self, repository: Repository) -> Repository:
        """As Repositories.ready."""
        self._fail_if_told()
        return repository

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """As Logins.credentials."""
        return None

    def digest(self, reference: ImageReference) -> Digest | None:
        """The manifest digest a tag points to, if any."""
        self._fail_if_told()
        return self._tags.get(reference)

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """As ContainerRegistry.last_layer_file."""
        self._fail_if_told()
        try:
            return self._images[image].layers[-1][path]
        except KeyError:
            raise RegistryError(f"{image}: no image, or no file {path} in its last layer") from None

    def layers(self, image: PublishedImage) -> tuple[Layer, ...]:
        """As ImageLayers.layers."""
        self._fail_if_told()
        if image not in self._images:
            raise RegistryError(f"{image}: no such image")
        return tuple(_layer(files) for files in self._images[image].layers)

    def base(self, reference: ImageReference) -> tuple[Digest, Mapping[str, str]]:
        """As BaseImages.base."""
        self._fail_if_told()
        digest = self._tags.get(reference)
        if digest is None:
            raise RegistryError(f"{reference}: no such tag")
        return digest, self._images[PublishedImage(reference.repository, digest)].env

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            raise self.failure


def _layer(files: Mapping[str, bytes]) -> Layer:
    content = repr(sorted(files.items())).encode()
    return Layer(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), "")
