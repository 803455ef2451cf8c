"""Types without a JSON Schema, alone, optional, in containers, in a union, in a dataclass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

import httpx
from prefect import flow

from seen import seen


class Frame:
    """Like a data frame."""


@dataclass
class Table:
    name: str
    frame: Frame


@flow
def by_reference(
    number: int,
    frame: Optional[Frame] = None,
    frames: list[Frame] | None = None,
    table: Table | None = None,
    client: httpx.Client | None = None,
    either: int | Frame = 3,
    function: Callable[[int], int] | None = None,
):
    return seen(locals())
