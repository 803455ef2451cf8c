"""Annotations that are text, postponed by the future import."""

from __future__ import annotations

import datetime
from typing import Annotated, Optional

from prefect import flow
from pydantic import BaseModel, Field

from seen import seen


class Window(BaseModel):
    start: datetime.date
    parent: Window | None = None


@flow
def postponed(
    window: Window,
    count: Annotated[int, Field(ge=1)] = 3,
    label: Optional[str] = None,
) -> dict[str, list[str]]:
    return seen(locals())
