"""An engine's images in memory, with what its BuildKit keeps of their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from flowyard.cleaning.holdings import HeldImage, Holdings, Step


@dataclass
class FakeImages:
    """An ImageStore. `layers` are those of each image by its id, the base first; each was a step, and is as large as
    `sizes` says. `below` says what a step is built upon that is in no image. `busy` are ids of images that containers
    were made of. `owners` says whose an image is that is not of every project."""

    images: list[HeldImage]
    layers: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, int]
    below: Mapping[str, str] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = self.kept or [*self.sizes]

    def look(self, project: str) -> Holdings:
        """As ImageStore.look."""
        held = {layer for image in self.images for layer in self.layers[image.id]}
        steps = tuple(Step(one, self.sizes[one], self._below(one), held=one in held) for one in self.kept)
        images = tuple(
            replace(image, own=self._own(image), used=image.used or image.id in self.busy)
            for image in self.images
            if self.owners.get(image.id, project) == project
        )
        return Holdings(images, sum(self.sizes[layer] for layer in held), steps)

    def remove(self, image: HeldImage) -> bool:
        """As ImageStore.remove."""
        self.asked.append(image.id)
        if image.id in self.busy:
            return False
        self.images = [one for one in self.images if one.id != image.id]
        return True

    def forget(self, step: Step) -> bool:
        """As ImageStore.forget."""
        upon = {one for one in self.sizes if step.id in self._below(one)}
        if step.id not in self.kept or upon & set(self.kept):
            return False
        self.kept.remove(step.id)
        return True

    def _own(self, image: HeldImage) -> int:
        others = {layer for one in self.images if one.id != image.id for layer in self.layers[one.id]}
        return sum(self.sizes[layer] for layer in self.layers[image.id] if layer not in others)

    def _below(self, step: str) -> tuple[str, ...]:
        pairs = [pair for layers in self.layers.values() for pair in pairwise(layers)]
        lower = {
            lower
            for lower, upper in (*pairs, *((self.below[one], one) for one in self.below))
            if upper == step
        }
        return tuple(sorted(lower))
