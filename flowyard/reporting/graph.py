"""Places the flows that call each other in columns, so that every call leads from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

WIDTH, HEIGHT = 190, 34  # of a flow's box
_ACROSS, _DOWN = 90, 14  # between boxes


@dataclass(frozen=True, slots=True)
class Box:
    """A flow, and where its box begins."""

    flow: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The boxes, the calls between them as (caller, called), and the size of all."""

    boxes: tuple[Box, ...] = ()
    calls: tuple[tuple[Box, Box], ...] = ()
    width: int = 0
    height: int = 0


def graph(calls: Mapping[str, tuple[str, ...]]) -> Graph:
    """The flows that call one, or are called; callers left of what they call. Empty for circles, which no plan has."""
    known = {name: called for name, called in calls.items() if called}
    names = sorted({*known, *(name for called in known.values() for name in called)})
    try:
        order = list(TopologicalSorter({name: known.get(name, ()) for name in names}).static_order())
    except CycleError:
        return Graph()
    column = dict.fromkeys(names, 0)
    for name in reversed(order):  # callers first
        for called in known.get(name, ()):
            column[called] = max(column[called], column[name] + 1)
    boxes: dict[str, Box] = {}
    rows: dict[int, int] = {}
    for name in names:
        row = rows.get(column[name], 0)
        rows[column[name]] = row + 1
        boxes[name] = Box(name, column[name] * (WIDTH + _ACROSS), row * (HEIGHT + _DOWN))
    lines = tuple((boxes[name], boxes[called]) for name in known for called in known[name])
    width = max((box.x for box in boxes.values()), default=0) + WIDTH
    height = max((box.y for box in boxes.values()), default=0) + HEIGHT
    return Graph(tuple(boxes.values()), lines, width, height) if boxes else Graph()
