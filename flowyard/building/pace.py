"""How fast, and how far after a failure, a command goes through its flows."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 4  # more builds at once only share the same cores and the same disk
MEMORY_OF_ONE = 1 << 30  # bytes: a build installs packages, imports the flow and compresses layers


@dataclass(frozen=True, slots=True)
class Pace:
    """How many flows are worked on at once, and whether the first failure ends the rest."""

    jobs: int = 1
    fail_fast: bool = False


ONE_BY_ONE = Pace()


def limit_for(cores: int, memory: int | None) -> int:
    """How many builds at once fit so many cores, and so many bytes of memory where that is known."""
    fitting = MOST if memory is None else memory // MEMORY_OF_ONE
    return max(1, min(cores, fitting, MOST))
