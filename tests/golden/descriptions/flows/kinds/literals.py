"""Literal: of text, of numbers, mixed, with None, inside containers."""

from typing import Literal, Optional

from prefect import flow

from seen import seen


@flow
def literals(
    text: Literal["a", "b"],
    mixed: Literal["a", 1, True, None] = None,
    single: Literal["only"] = "only",
    some: Optional[list[Literal[1, 2]]] = None,
    deep: dict[str, Literal["x", "y"]] = {"k": "x"},
):
    return seen(locals())
