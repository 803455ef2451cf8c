"""Whether the disk that images are built on has room for one more, told before it is full.

A full disk ends every build of the machine, and databases and logs with them; what BuildKit says then names neither
the disk nor what would free it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flowyard.errors import EngineError
from flowyard.program import PROGRAM

if TYPE_CHECKING:
    from flowyard.build import BuildRequest, BuiltImage, ImageBuilder

# Bytes. An image of a flow with pandas takes about half of it, its layers once more while it is exported.
LEAST = 2 << 30


@dataclass(frozen=True, slots=True)
class Room:
    """A folder and the bytes that are free on its disk."""

    folder: str
    free: int


class Disk(Protocol):
    """The disk of the engine."""

    def room(self) -> Room | None:
        """What is free now; None where the engine's disk is not one of this machine."""
        ...


def check_room(room: Room | None) -> None:
    """Raise EngineError when there is not enough for a build."""
    if room is not None and room.free < LEAST:
        raise EngineError(
            f"the engine's disk ({room.folder}) has {room.free / 2**30:.1f} GiB left; a build may need "
            f"{LEAST / 2**30:.0f} GiB",
            hint=f"free some: `{PROGRAM} clean` takes what this project left there and nothing needs, "
            "`docker buildx prune` the build cache of all projects; `docker system df` shows what is there",
        )


class WithRoom:
    """An ImageBuilder that looks before each build whether the disk has room for it."""

    def __init__(self, builder: ImageBuilder, disk: Disk) -> None:
        self._builder = builder
        self._disk = disk

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build. Raises EngineError when there is no room. A builder that is named may be anywhere."""
        if request.builder is None:
            check_room(self._disk.room())
        return self._builder.build(request)
