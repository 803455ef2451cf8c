"""How long an image's check may take and how much memory it may use: the only place that says so.

The check imports code nobody has read, on a machine that builds for others. What it may cost is a property of
the check itself, so it holds with every builder, and it is enforced inside the image.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 120.0
START = 60.0  # seconds before those: Python and Prefect themselves start, on a machine that may be busy
MEMORY = 2 << 30  # bytes of one process: its heap and what it maps for itself, not files and libraries
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


@dataclass(frozen=True)
class Bounds:
    """What the flows' own code may use: `seconds` of wall time in all, and `memory` in bytes for each process."""

    seconds: float = SECONDS
    memory: int = MEMORY

    @property
    def shown_seconds(self) -> str:
        """As in `120 s`."""
        return f"{self.seconds:g} s"

    @property
    def shown_memory(self) -> str:
        """As in `2Gi`: with the largest unit that divides it."""
        for unit, size in sorted(_UNITS.items(), key=lambda each: -each[1]):
            if self.memory % size == 0:
                return f"{self.memory // size}{unit}"
        return str(self.memory)


def parse_memory(text: str) -> int:
    """`512Mi` -> bytes. Raises ValueError for anything but a whole number with one of Ki, Mi, Gi and Ti."""
    number, unit = text[:-2], text[-2:]
    if unit not in _UNITS or not number.isdigit():
        raise ValueError(f"{text!r} is no size such as 512Mi or 2Gi")
    return int(number) * _UNITS[unit]
