"""What the Docker engine of this machine holds of a project, and what the removal of images sets free there.

BuildKit keeps the result of each step, by which the next build is quick. Where the engine builds, the layers of an
image and the results of its steps are the same data: removing the image alone frees nothing. Nobody can tell which
project a result is of. But the engine says which results images hold, so those that none holds any more once some
images are gone were theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flowyard.errors import EngineError


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image of the engine that has the project's label.

    `names` are `repository:tag` and `repository@digest`; it has none once another was built in its place. `flow` is
    the folder below flows/ that it runs in, "" where that is none. `made`: when it was built or tagged last. `own`:
    bytes that no other image has. `used`: whether there is a container of it, running or not.
    """

    id: str
    names: tuple[str, ...]
    flow: str
    made: datetime
    own: int
    used: bool

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.names[0] if self.names else self.id


@dataclass(frozen=True, slots=True)
class Step:
    """What BuildKit keeps of a step. `held`: an image has the same layer. `used`: a build that runs needs it.

    `below` are the ids of the steps that it is built upon.
    """

    id: str
    size: int
    below: tuple[str, ...] = ()
    held: bool = False
    used: bool = False


@dataclass(frozen=True, slots=True)
class Holdings:
    """The images of a project, the bytes of all images of the engine, and what BuildKit keeps."""

    images: tuple[HeldImage, ...]
    layers: int
    steps: tuple[Step, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all images and steps of the engine, of whatever project."""
        return self.layers + sum(step.size for step in self.steps if not step.held)

    @property
    def idle(self) -> int:
        """The bytes of steps that no image and no build needs, of whatever project."""
        return sum(step.size for step in self.steps if not step.held and not step.used)


class ImageStore(Protocol):
    """The engine's images, and the steps that its BuildKit keeps."""

    def look(self, project: str) -> Holdings:
        """What is there now. Raises EngineError."""
        ...

    def remove(self, image: HeldImage) -> bool:
        """Remove the image with all its names; whether it is gone: a container of it may just have come."""
        ...

    def forget(self, step: Step) -> bool:
        """Remove what is kept of the step; False when it has to stay, as others are built upon it."""
        ...


@dataclass(frozen=True, slots=True)
class Freed:
    """The images that were removed, the bytes that came of it, and what is left in the end."""

    images: tuple[HeldImage, ...]
    size: int
    left: Holdings


def free(store: ImageStore, project: str, before: Holdings, unneeded: tuple[HeldImage, ...]) -> Freed:
    """Remove the images, and the steps that only they held. Raises EngineError, which says what was removed."""
    removed: list[HeldImage] = []
    try:
        removed.extend(image for image in unneeded if store.remove(image))
        if not removed:
            return Freed((), 0, before)
        after = store.look(project)
        if _forget(store, let_go(before, after)):
            after = store.look(project)
    except EngineError as error:
        names = ", ".join(name for image in removed for name in image.names) or "nothing"
        text = f"{error.message}; removed by then: {names}"
        raise error.retold(text, hint="clean again: it goes on where it stopped") from error
    return Freed(tuple(removed), max(0, before.size - after.size), after)


def let_go(before: Holdings, after: Holdings) -> tuple[Step, ...]:
    """The steps that images held before and none holds now, and those upon them: such as the check of each image,
    whose result is no layer of it."""
    free = [step for step in after.steps if not step.held and not step.used]
    gone = {step.id for step in before.steps if step.held} & {step.id for step in free}
    while more := {step.id for step in free if not gone.isdisjoint(step.below)} - gone:
        gone |= more
    return tuple(step for step in free if step.id in gone)


def _forget(store: ImageStore, steps: tuple[Step, ...]) -> bool:
    """Go over the steps until none goes any more: each can once those upon it have gone. Whether any went."""
    left = steps
    while still := tuple(step for step in left if not store.forget(step)):
        if still == left:
            return left != steps
        left = still
    return bool(steps)
