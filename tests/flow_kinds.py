"""What a flow's file may import or define, for the signatures that tests write: all names are meant for `import *`.

It is also taken as text, where it counts that a type is defined in the flow's own file.
"""

# ruff: noqa: F401, UP035, UP045  (flows are written in every style there is)
import datetime
import decimal
import enum
import pathlib
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Callable, Dict, List, Literal, Optional, Sequence, Set, Tuple, Union

from prefect import flow
from pydantic import AfterValidator, BaseModel, Field, SecretStr


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Model(BaseModel):
    number: int = 1
    colour: Colour = Colour.RED


class Special(Model):
    extra: int = 1


class Holder(BaseModel):
    token: SecretStr = SecretStr("t")


class Pair(enum.Enum):
    ONE = (1, 2)


class Limits(BaseModel):
    most: float = float("inf")


class Node(BaseModel):
    token: Optional[SecretStr] = None
    next: "Optional[Node]" = None


def even(value: int) -> float:
    return value if value % 2 == 0 else 1 / 0


@dataclass
class Data:
    day: datetime.date = datetime.date(2020, 1, 1)


class Frame:
    pass


@dataclass
class Box:
    frame: Frame
