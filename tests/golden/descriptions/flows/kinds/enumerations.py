"""Enums of every sort, alone and inside containers."""

import enum
from typing import Optional

from prefect import flow

from seen import seen


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = 2
    NONE = None


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FULL = enum.auto()
    DELTA = enum.auto()


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@flow
def enumerations(
    colour: Colour,
    level: Level = Level.HIGH,
    mode: Mode = Mode.DELTA,
    rights: Rights = Rights.READ,
    modes: list[Mode] = [Mode.FULL],
    by_mode: dict[Mode, Colour] = {Mode.DELTA: Colour.BLUE},
    maybe: Optional[Colour] = None,
):
    return seen(locals())
