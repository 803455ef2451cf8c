"""The calling side: whatever ends the flow's function also ends the calls it has begun."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowyard.runtime.tasks.callers import note_attempt
from flowyard.runtime.tasks.places import OPEN

if TYPE_CHECKING:
    from prefect import Flow

_WHY = "The run that called it ends."
_PAUSE = 0.2  # seconds


def calling(flow: Flow[..., Any]) -> Flow[..., Any]:
    """`flow` with its calls counted anew at each attempt, and none left behind. Generators are as they were."""
    if flow.isgenerator:
        return flow
    ours = flow.with_options()
    ours.fn = _calling_async(flow.fn) if flow.isasync else _calling(flow.fn)
    return ours


def _calling(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        note_attempt()
        OPEN.anew()
        try:
            value = function(*args, **kwargs)
            while OPEN.is_any_open():
                time.sleep(_PAUSE)
        except BaseException:
            OPEN.end_all(_WHY)  # before the threads of Prefect's tasks are waited for: they wait for these
            raise
        return value

    return run


def _calling_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        note_attempt()
        OPEN.anew()
        try:
            value = await function(*args, **kwargs)
            while OPEN.is_any_open():
                await asyncio.sleep(_PAUSE)
        except BaseException:
            OPEN.end_all(_WHY)
            raise
        return value

    return run
