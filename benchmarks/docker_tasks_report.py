"""What was measured of Docker tasks, and whether it is what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.docker_tasks_sides import BEST, DEFAULT
from benchmarks.report import table

OURS = "flowyard"
_OF_DEFAULT, _OF_BEST, _LATE, _TIMES = 0.6, 1.0, 0.5, 3.0


@dataclass(frozen=True, slots=True)
class Call:
    """Seconds from the call to its value, and those of them after the called run's final state."""

    seconds: float
    late: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes of a frame that went in and came back, and the peak memory of both processes; `before` is that of
    the caller's before it made the frame, `kept` whether the caller keeps the frame that it gives."""

    kept: bool
    size: int
    seconds: float
    before: int
    caller: int
    called: int


@dataclass(frozen=True, slots=True)
class Found:
    """Everything, by side. A map is one call of `many`, of which `at_once` run at a time."""

    calls: Mapping[str, tuple[Call, ...]]
    maps: Mapping[str, tuple[Call, ...]]
    frames: tuple[Frame, ...]
    many: int
    at_once: int


def tables(found: Found) -> str:
    """For a person."""
    parts: list[str] = []
    if found.calls:
        parts += _compared("a call", found.calls)
    if found.maps:
        parts += _compared(f"a map of {found.many}, {found.at_once} at once", found.maps)
    parts += [_frame(one) for one in found.frames]
    return "\n\n".join(parts)


def _compared(what: str, sides: Mapping[str, Sequence[Call]]) -> tuple[str, str]:
    medians = {side: median(one.seconds for one in calls) for side, calls in sides.items()}
    late = {side: max(one.late for one in calls) for side, calls in sides.items()}
    rows = [
        (
            side,
            f"{medians[side]:.2f} ({min(one.seconds for one in calls):.2f} to {max(one.seconds for one in calls):.2f})",
            f"{medians[OURS] / medians[side]:.2f}",
            f"{median(one.late for one in calls):.2f} ({late[side]:.2f})",
        )
        for side, calls in sides.items()
    ]
    head = (what, f"s: median of {len(sides[OURS])}", "ours is", "end noticed after s: median (most)")
    asked = (
        _verdict(f"at most {_OF_DEFAULT} of the default", medians[OURS] / medians[DEFAULT] <= _OF_DEFAULT),
        _verdict("not slower than the best", medians[OURS] / medians[BEST] <= _OF_BEST),
        _verdict(f"the end noticed within {_LATE} s", late[OURS] <= _LATE),
    )
    return table(head, rows), f"Target: {'; '.join(asked)}."


def _frame(frame: Frame) -> str:
    def shown(peak: int) -> str:
        return f"{peak / 1e6:.0f} MB, {peak / frame.size:.2f} of the frame"

    rows = [
        ("in and back", f"{frame.seconds:.1f} s"),
        ("peak of the caller", shown(frame.caller)),
        ("of it before there was a frame", shown(frame.before)),
        ("peak of the called", shown(frame.called)),
    ]
    how = "which its caller keeps" if frame.kept else "handed over"
    reached = max(frame.caller, frame.called) < _TIMES * frame.size
    text = _verdict(f"peaks below {_TIMES:g} times its size", reached)
    return f"{table((f'a frame of {frame.size / 1e6:.0f} MB, {how}', ''), rows)}\n\nTarget: {text}."


def _verdict(text: str, reached: bool) -> str:
    return f"{text} ({'reached' if reached else '**not reached**'})"
