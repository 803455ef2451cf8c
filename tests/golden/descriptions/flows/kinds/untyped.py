"""No annotations, Any, object, a bare TypeVar."""

from typing import Any, TypeVar

from prefect import flow

from seen import seen

Value = TypeVar("Value")


@flow
def untyped(first, value: Value, second=3, third: Any = {"a": [1]}, fourth=None, fifth: object = "x"):
    return seen(locals())
