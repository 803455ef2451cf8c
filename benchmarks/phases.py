"""Where the time of one of our runs goes, read off the times of its progress lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.timing import BenchmarkFailed, Timed

# Each phase ends when the first line comes that matches; the last one with the process.
_ENDS = (
    ("start, load the configuration, plan", r"staging the build context$"),
    ("stage the build context, start buildx", r"building: "),
    ("all layers up to the source", r"building: .*RUN .*flowyard\.runtime\.describe"),
    ("check: the image imports the flow and describes it", r"building: .*COPY /tmp/description\.json"),
    ("last layer", r"exporting"),
    ("export the image", r"pushing$"),
    ("push", r"built in"),
    ("ask the registry for the digest and the description", r"registering$"),
    ("register the deployment", r": registered "),
)
_LAST = "note the release, give the lease back, exit"


def phases(run: Timed) -> Mapping[str, float]:
    """Seconds by phase; their sum is the run's. Raises BenchmarkFailed when a line did not come."""
    found: dict[str, float] = {}
    before = 0.0
    for name, pattern in _ENDS:
        end = next((line.seconds for line in run.stderr if re.search(pattern, line.text)), None)
        if end is None:
            said = "\n".join(f"  | {line.text}" for line in run.stderr)
            raise BenchmarkFailed(f"no progress line ended the phase {name!r}:\n{said}")
        found[name] = end - before
        before = end
    return {**found, _LAST: run.seconds - before}


def medians(runs: Sequence[Timed]) -> Mapping[str, float]:
    """Median seconds by phase."""
    each = [phases(run) for run in runs]
    return {name: median(one[name] for one in each) for name in each[0]}
