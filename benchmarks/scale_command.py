"""`benchmarks/scale.py`: many flows, side by side with `prefect deploy --all` and with plain `docker buildx bake`.

What is asked for, the table, and the file with every run; scale_cases.py is what is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.bench import say
from benchmarks.command import RESULTS
from benchmarks.report import machine, table
from benchmarks.scale_cases import CASES, Bench, Found
from benchmarks.scale_site import opened
from benchmarks.timing import BenchmarkFailed, spelled
from flowyard.errors import FlowyardError

_FLOWS = 100
_HEAD = (
    *("case", "side", "s (all runs)", "s a flow", "ratio", "to Prefect", "to the registry", "bytes pushed"),
    *("asked", "reached"),
)


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, keep every run; 1 when a run did not come out as it should."""
    options = _options(argv)
    described = machine()
    chosen = list(dict.fromkeys(options.case or CASES))
    found: list[Found] = []
    with (
        tempfile.TemporaryDirectory(prefix="flowyard-scale-") as folder,
        opened(Path(folder), options.delay / 1000) as site,
    ):
        bench = Bench(site, options.rounds, options.peers, options.flows)
        for case in chosen:
            found += _measured(bench, case)
    print(f"\nEach request held back by {options.delay:g} ms.\n\n{_table(found)}")
    if options.flows == _FLOWS:  # a trial is no result
        content = {"machine": described, "delay": options.delay, "cases": [_case(one) for one in found]}
        _keep(content, "" if options.case is None else "-" + "-".join(chosen))
    return 0 if len(found) == len(chosen) else 1


def _measured(bench: Bench, case: str) -> Iterator[Found]:
    """What a case came to; nothing when it failed, which ends no other: setting up takes longest."""
    say(f"case {case}")
    try:
        found = CASES[case](bench)
    except (BenchmarkFailed, FlowyardError) as error:
        print(f"error: {case}: {error}", file=sys.stderr, flush=True)
        return
    print(_table([found]), flush=True)
    yield found


def _table(found: Sequence[Found]) -> str:
    return table(_HEAD, [row for one in found for row in _rows(one)])


def _rows(found: Found) -> Iterator[tuple[str, ...]]:
    for side in found.sides:
        first, middle = side is found.sides[0], median(side.seconds)
        runs = ", ".join(map(spelled, side.seconds, side.stolen))
        yield (
            found.case if first else "",
            side.name,
            f"{middle:.2f} ({runs})",
            f"{middle / found.flows:.3f}",
            f"{found.ratio:.2f}" if first and found.ratio else "",
            str(side.prefect_requests),
            str(side.registry_requests),
            f"{side.bytes_pushed:,}",
            found.asked.text if first else "",
            ("yes" if found.reached else "**no**") if first else "",
        )


def _case(found: Found) -> dict[str, object]:
    return {**asdict(found), "ratio": found.ratio, "asked": found.asked.text, "reached": found.reached}


def _keep(content: dict[str, object], part: str) -> None:
    slow = f"-{content['delay']:g}ms" if content["delay"] else ""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-scale{part}{slow}.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    say(f"all single runs are in benchmarks/results/{file.name}")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ship many flows, side by side with others.")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; repeatable")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds of ours; default: 5")
    parser.add_argument(
        "--flows",
        type=int,
        default=_FLOWS,
        help=f"of the largest repository; default: {_FLOWS}. Fewer are a trial of every case, which is not kept",
    )
    parser.add_argument("--delay", type=float, default=0, help="milliseconds each request is held back")
    parser.add_argument("--no-peer", dest="peers", action="store_false", help="leave `prefect deploy` out")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
