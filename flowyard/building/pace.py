"""How fast, and how far after a failure, a command goes through its flows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How many flows are worked on at once, None for what this machine can do, and whether the first failure ends
    the rest."""

    jobs: int | None = None
    fail_fast: bool = False


UNHURRIED = Pace()
