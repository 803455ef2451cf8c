"""What `python benchmarks/startup.py` does: where the time of a ship with nothing to do goes.

Reads Python's import times of the installed command; the whole process is timed beside it, without them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench, opened
from benchmarks.imports import Import, by_package, parse, typical
from benchmarks.report import table
from benchmarks.site_folder import FLOW, SMALLEST
from benchmarks.timing import BenchmarkFailed, timed

_RUNS = 7


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when a run did not come out as it should."""
    parser = argparse.ArgumentParser(description="Import times of a ship that has nothing to do.")
    parser.add_argument("flow", nargs="?", choices=[SMALLEST, FLOW], default=SMALLEST)
    parser.add_argument("--top", type=int, default=25, help="modules to list; default: 25")
    options = parser.parse_args(argv)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="flowyard-benchmark-") as folder,
            opened(Path(folder)) as bench,
        ):
            print(_profile(bench, options.flow, options.top))
    except BenchmarkFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _profile(bench: Bench, flow: str, top: int) -> str:
    shipped = bench.smallest if flow == SMALLEST else bench.ours
    shipped.deploy()
    shipped.deployed()
    whole = [shipped.deploy().seconds for _ in range(_RUNS)]
    python = bench.site.environment.program("python")
    argv = [python, "-X", "importtime", "-m", "flowyard", flow]
    runs = [timed(argv, shipped.folder, bench.site.environ) for _ in range(_RUNS)]
    bare = [timed([python, "-c", "pass"], shipped.folder, bench.site.environ).seconds for _ in range(_RUNS)]
    imports = typical([parse(line.text for line in run.stderr) for run in runs])
    return "\n\n".join((_summary(whole, bare, imports), _packages(imports, top), _modules(imports, top)))


def _summary(whole: Sequence[float], bare: Sequence[float], imports: Sequence[Import]) -> str:
    rows = [
        ("whole process, nothing to do", f"{median(whole) * 1000:.0f}"),
        ("an empty Python program", f"{median(bare) * 1000:.0f}"),
        (f"all {len(imports)} imports, as Python times them", f"{sum(one.own for one in imports):.0f}"),
    ]
    return table(("", f"ms (median of {_RUNS})"), rows)


def _packages(imports: Sequence[Import], top: int) -> str:
    rows = [(f"`{one.package}`", str(one.modules), f"{one.own:.1f}") for one in by_package(imports)[:top]]
    return table(("package", "modules", "ms of its own"), rows)


def _modules(imports: Sequence[Import], top: int) -> str:
    slowest = sorted(imports, key=lambda one: -one.cumulative)[:top]
    rows = [(f"`{one.module}`", f"{one.own:.1f}", f"{one.cumulative:.1f}") for one in slowest]
    return table(("module", "ms of its own", "ms with what it imports first"), rows)
