"""Returns at once."""

from prefect import flow


@flow
def called(value: int = 0) -> int:
    """What it was given."""
    return value
