"""What takes the place of Docker tasks where there are no images: in tests.

Set by flowyard.testing, and read before anything is asked of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Function = Callable[..., Any]
_known: dict[str, Function] = {}  # of the process: tasks are called in threads, whatever their context


def function_for(task: str) -> Function | None:
    """What is called in place of this task, if anything is."""
    return _known.get(task)


@contextmanager
def replaced(functions: Mapping[str, Function]) -> Iterator[None]:
    """Have these called in place of the tasks of their names."""
    before = dict(_known)
    _known.update(functions)
    try:
        yield
    finally:
        _known.clear()
        _known.update(before)
