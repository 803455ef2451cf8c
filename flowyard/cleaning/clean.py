"""One cleaning: looks what is there, asks what is needed, removes the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowyard.cleaning.holdings import HeldImage, ImageStore, free
from flowyard.cleaning.leftovers import remove, size_of
from flowyard.cleaning.needed import Judged


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed, or would be, and what stays.

    `freed` are bytes of the engine's disk and of the files; None of a dry run, for which `least` is known: what the
    engine sets free shows when it is gone. `idle` are bytes of steps in the build cache that no image needs.
    """

    target: str
    images: tuple[HeldImage, ...]
    files: tuple[Path, ...]
    kept: tuple[Judged, ...]
    idle: int
    least: int
    freed: int | None = None


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is to be cleaned: the images of a project, as `judge` has them, and files that nobody reads."""

    project: str
    target: str
    judge: Callable[[Sequence[HeldImage]], Sequence[Judged]]
    files: tuple[Path, ...] = ()

    def run(self, store: ImageStore, *, dry_run: bool = False) -> Cleaned:
        """Remove what nothing needs. Raises what `judge` raises: then nothing was removed. Raises EngineError, which
        says what was removed by then."""
        # The engine first: an image that is deployed between the two questions is then known to be needed.
        before = store.look(self.project)
        judged = tuple(self.judge(before.images))
        unneeded = tuple(one.image for one in judged if not one.why)
        sizes = {file: size_of(file) for file in self.files}
        if dry_run:
            kept, least = (
                _staying(judged, unneeded),
                sum(sizes.values()) + sum(image.own for image in unneeded),
            )
            return Cleaned(self.target, unneeded, self.files, kept, before.idle, least)
        freed = free(store, self.project, before, unneeded)
        gone = tuple(file for file in self.files if remove(file))
        kept, size = _staying(judged, freed.images), freed.size + sum(sizes[file] for file in gone)
        return Cleaned(self.target, freed.images, gone, kept, freed.left.idle, size, size)


def _staying(judged: Sequence[Judged], gone: Sequence[HeldImage]) -> tuple[Judged, ...]:
    """The images that stay, with those that came into use meanwhile."""
    ids = {image.id for image in gone}
    return tuple(
        Judged(one.image, one.why or "it has just come into use") for one in judged if one.image.id not in ids
    )
