"""Every kind of type that a signature may have."""

import datetime as dt
import decimal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Dict, List, Literal, Optional, Union

import httpx
from prefect import flow
from pydantic import BaseModel, Field

Country = Literal["DE", "FR"]


class Mode(Enum):
    FULL = "full"


@dataclass
class Order:
    lines: list["Order"]


class Model(BaseModel):
    number: int


@flow
def clean(
    orders: list[Order],
    rows: Sequence[dict[str, Any]],
    day: dt.date,
    /,
    total: decimal.Decimal = decimal.Decimal("0"),
    country: Country = "DE",
    mode: Mode = Mode.FULL,
    *,
    limit: int = 3,
    share: Annotated[float, Field(ge=0)] = 0.5,
    names: Optional[List[str]] = None,
    either: Union[int, str, None] = "a 'b'",
    old: Dict[str, "int | None"] = {"a": 1},
    client: httpx.Client | None = None,
    function: Callable[[int, str], bool] | None = None,
    anything=None,
) -> tuple[dict[str, Model], list[decimal.Decimal]]:
    """Clean them."""
    raise NotImplementedError
