"""Dataclasses: of the standard library and of pydantic, nested, with factories and defaults."""

import datetime
from dataclasses import dataclass, field
from typing import Annotated, Optional

import pydantic
from prefect import flow
from pydantic import Field

from seen import seen


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Path:
    points: list[Point] = field(default_factory=list)
    day: datetime.date = datetime.date(2026, 1, 31)
    next: Optional["Path"] = None


@pydantic.dataclasses.dataclass
class Limits:
    most: Annotated[int, Field(ge=1, le=9)] = 3


@flow
def data_classes(path: Path, start: Point = Point(1, 2), limits: Limits = Limits()):
    return seen(locals())
