"""What every case has to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import Measured

MOST_ADDED = 65_000_000  # compressed bytes that `hello` may add to its base


@dataclass(frozen=True, slots=True)
class Target:
    """`seconds` is the most our median may take, `ratio` the most it may take of the peer's faster backend."""

    title: str
    ratio: float
    seconds: float | None = None

    @property
    def text(self) -> str:
        """The target for a person."""
        ratio = f"at most {self.ratio:.3g} of the faster backend"
        return ratio if self.seconds is None else f"at most {self.seconds:.2f} s and {ratio}"


TARGETS: Mapping[str, Target] = {
    "nothing": Target("nothing changed, 1 flow, whole process", ratio=1 / 6, seconds=0.35),
    "edit": Target("one source line edited, to registered", ratio=1.0),
    "cold": Target("cold, 1 flow with pandas, warm wheel cache", ratio=0.6),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case against its target: medians in seconds by side, ours over the faster peer."""

    target: Target
    medians: Mapping[str, float]
    ratio: float
    reached: bool


def judge(measured: Measured) -> Verdict:
    """Compare the medians; ours is the first side."""
    target = TARGETS[measured.case]
    medians = {name: median(run.seconds for run in runs) for name, runs in measured.runs.items()}
    own, *peers = medians.values()
    ratio = own / min(peers)
    in_time = target.seconds is None or own <= target.seconds
    return Verdict(target, medians, ratio, in_time and ratio <= target.ratio)
