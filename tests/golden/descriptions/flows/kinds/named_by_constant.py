"""A flow's name, description and options from constants of another module."""

from names import DESCRIPTION, NAME
from prefect import flow

from seen import seen


@flow(name=NAME, description=DESCRIPTION, retries=2, validate_parameters=False)
def named_by_constant(number: int = 1):
    """Not this: the description is given."""
    return seen(locals())
