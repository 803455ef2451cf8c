"""Positional-only and keyword-only parameters."""

from prefect import flow

from seen import seen


@flow
def argument_kinds(first: int, second: float = 2.5, /, third: str = "c", *, fourth: bool, fifth: int = 5):
    return seen(locals())
