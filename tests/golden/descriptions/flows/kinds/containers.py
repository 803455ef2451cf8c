"""Containers, nested, with tuples, sets and mappings."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow

from seen import seen


@flow
def containers(
    rows: list[dict[str, list[int]]],
    pair: tuple[int, str] = (1, "a"),
    many: tuple[float, ...] = (1.5, 2.5),
    tags: set[str] = {"b", "a"},
    fixed: frozenset[int] = frozenset({3}),
    last: deque[int] = deque([1, 2]),
    mapping: Mapping[int, bool] = {1: True},
    sequence: Sequence[str] = ("x", "y"),
    anything: dict[str, Any] = {"a": [1, None]},
    loose: list = [1, "a"],
):
    return seen(locals())
