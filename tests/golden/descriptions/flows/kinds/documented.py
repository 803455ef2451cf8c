"""Descriptions of parameters in a docstring, and beside it."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from seen import seen


@flow
def documented(
    day: str,
    limit: Annotated[int, Field(ge=1, description="From the annotation.")] = 3,
    other: int = Field(4, description="From the field."),
):
    """Load one day.

    Umlauts: äöü; quotes: "x"; and
    a second line.

    Args:
        day: The day to load,
            such as `2026-01-31`.
        limit: From the docstring.
        other: Also from the docstring.
    """
    return seen(locals())
