"""What `python benchmarks/run.py` does: measures us and the peer, prints the comparison as Markdown tables.

Whole processes on one machine, in turn; README.md beside this file says what is compared and why it is fair.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import Bench, opened
from benchmarks.cases import Measured, cold, edit, nothing
from benchmarks.report import Results, as_json, machine, markdown
from benchmarks.size import Layer, added_layers
from benchmarks.timing import BenchmarkFailed

CASES: Mapping[str, Callable[[Bench, int], Measured]] = {"nothing": nothing, "edit": edit, "cold": cold}
ROUNDS = {"nothing": 15, "edit": 9, "cold": 3}
RESULTS = Path(__file__).resolve().parent / "results"


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when a run did not come out as it should."""
    options = _options(argv)
    chosen = options.case or [*CASES, "size"]
    try:
        with tempfile.TemporaryDirectory(prefix="flowyard-benchmark-") as folder:
            results = _measure(Path(folder), chosen, options.rounds)
    except BenchmarkFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(markdown(results))
    RESULTS.mkdir(exist_ok=True)
    part = "".join(f"-{name}" for name in dict.fromkeys(options.case or ()))
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}{part}.json"
    file.write_text(as_json(results), encoding="utf-8")
    print(f"benchmark: all single runs are in benchmarks/results/{file.name}", file=sys.stderr)
    return 0


def _measure(folder: Path, chosen: list[str], rounds: int | None) -> Results:
    described = machine()
    with opened(folder) as bench:
        measured = [case(bench, rounds or ROUNDS[name]) for name, case in CASES.items() if name in chosen]
        layers = _size(bench) if "size" in chosen else None
    return Results(measured, layers, described)


def _size(bench: Bench) -> tuple[Layer, ...]:
    bench.smallest.use_base(bench.usual)  # the cold rounds had another one
    bench.smallest.deploy()
    image = f"{bench.site.host}/flows/hello@{bench.smallest.deployed()}"
    return added_layers(image, bench.usual)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare shipping with `prefect deploy` on this machine.")
    parser.add_argument("--case", action="append", choices=[*CASES, "size"], help="only this one; repeatable")
    parser.add_argument("--rounds", type=int, help=f"counted rounds of each case; default: {ROUNDS}")
    return parser.parse_args(argv)
