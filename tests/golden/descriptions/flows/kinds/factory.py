"""A flow made by a factory from a function of its own module."""

import functools

from prefect import flow

from seen import seen


def _load(number: int, unit: str = "kg"):
    """Load it."""
    return seen(locals())


def noted(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapped


factory = flow(noted(_load), name="made")
