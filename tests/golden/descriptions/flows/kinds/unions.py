"""Optional and unions, written in every way."""

import datetime
import uuid
from typing import Optional, Union

from prefect import flow
from pydantic import BaseModel

from seen import seen


class Model(BaseModel):
    number: int


@flow
def unions(
    either: Union[int, str],
    new: int | list[int] | None,
    optional: "Optional[int]" = None,
    given: Optional[str] = "text",
    when: datetime.date | uuid.UUID = datetime.date(2026, 2, 28),
    model: Model | dict[str, int] | bool = False,
):
    return seen(locals())
