"""What a command imports and for how long, read off Python's own `-X importtime`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

_LINE = re.compile(r"import time: +(\d+) \| +(\d+) \| +(\S+)$")


@dataclass(frozen=True, slots=True)
class Import:
    """One module: milliseconds of its own code, and with what it imported for the first time."""

    module: str
    own: float
    cumulative: float

    @property
    def package(self) -> str:
        """Its top-level package."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, slots=True)
class PackageTotal:
    """All modules of one top-level package: how many, and milliseconds of their own code."""

    package: str
    modules: int
    own: float


def parse(lines: Iterable[str]) -> tuple[Import, ...]:
    """The imports among the lines of stderr, in the order in which they ended."""
    found = (_LINE.search(line) for line in lines)
    return tuple(Import(hit[3], int(hit[1]) / 1000, int(hit[2]) / 1000) for hit in found if hit)


def typical(runs: Sequence[Sequence[Import]]) -> tuple[Import, ...]:
    """The median of several runs, module by module; a module that one run lacks counts there as 0."""
    each = [{one.module: one for one in run} for run in runs]
    names = dict.fromkeys(name for run in each for name in run)
    none = Import("", 0.0, 0.0)
    return tuple(
        Import(
            name,
            median(run.get(name, none).own for run in each),
            median(run.get(name, none).cumulative for run in each),
        )
        for name in names
    )


def by_package(imports: Iterable[Import]) -> tuple[PackageTotal, ...]:
    """Totals by top-level package, the slowest first."""
    groups: defaultdict[str, list[Import]] = defaultdict(list)
    for one in imports:
        groups[one.package].append(one)
    totals = [PackageTotal(name, len(group), sum(one.own for one in group)) for name, group in groups.items()]
    return tuple(sorted(totals, key=lambda total: -total.own))
