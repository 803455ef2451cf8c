"""The timed cases: nothing changed, one line edited, everything cold.

The sides run in turn (A B C, B C A, C A B), so that what disturbs the machine disturbs all of them and nobody
always comes after the same one, whose writes the disk may still be busy with. The first turn is a warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench, say
from benchmarks.contestants import Contestant
from benchmarks.engine_traces import cache_records, remove_cache_records
from benchmarks.phases import phases
from benchmarks.timing import BenchmarkFailed, Timed

Prepare = Callable[[Contestant, int], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """One case: every counted run of each side, by its name, ours first."""

    case: str
    runs: Mapping[str, Sequence[Timed]]


def nothing(bench: Bench, rounds: int) -> Measured:
    """Deploy again what is deployed."""
    return _in_turn("nothing", bench, rounds, _leave)


def edit(bench: Bench, rounds: int) -> Measured:
    """Add one line to the source, then deploy."""

    def add_line(contestant: Contestant, number: int) -> None:
        contestant.edit(f"# {bench.bases.token} {number}")

    return _in_turn("edit", bench, rounds, add_line)


def cold(bench: Bench, rounds: int) -> Measured:
    """Deploy on a base that no layer was ever built on; the wheels are in the cache mounts."""

    def change_base(contestant: Contestant, number: int) -> None:
        contestant.use_base(bench.bases.cold(bench.usual, number))

    before = frozenset(cache_records())
    try:
        return _in_turn("cold", bench, rounds, change_base)
    finally:
        say(f"{remove_cache_records(before)} layers removed from the build cache")


def _leave(contestant: Contestant, number: int) -> None:
    """Nothing is prepared."""


def _in_turn(case: str, bench: Bench, rounds: int, prepare: Prepare) -> Measured:
    runs: dict[str, list[Timed]] = {contestant.name: [] for contestant in bench.contestants}
    for number in range(rounds + 1):
        for contestant in _rotated(bench.contestants, number):
            if number == 0:
                run = _warm_up(contestant, prepare, settle=case != "cold")
            else:
                run = _counted(contestant, prepare, number, changes=prepare is not _leave)
                runs[contestant.name].append(run)
            if contestant is bench.ours and prepare is not _leave:
                phases(run)  # raises now, and not after the last round, when a progress line is missing
            say(f"{case} {number or 'warm-up'}: {contestant.name} {run}")
    return Measured(case, runs)


def _rotated(sides: tuple[Contestant, ...], number: int) -> tuple[Contestant, ...]:
    first = number % len(sides)
    return (*sides[first:], *sides[:first])


def _warm_up(contestant: Contestant, prepare: Prepare, *, settle: bool) -> Timed:
    if settle:
        contestant.deploy()  # whatever an earlier case left to do; a cold round does all of it anyway
    prepare(contestant, 0)
    run = contestant.deploy()
    contestant.deployed()
    return run


def _counted(contestant: Contestant, prepare: Prepare, number: int, *, changes: bool) -> Timed:
    before = contestant.deployed()
    prepare(contestant, number)
    run = contestant.deploy()
    after = contestant.deployed()
    if (before != after) != changes:
        found = "changed" if before != after else "did not change"
        raise BenchmarkFailed(f"{contestant.name}: the deployed image {found}; the run does not count")
    return run
