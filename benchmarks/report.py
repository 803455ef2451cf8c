"""The results: a table in Markdown for people, and all single runs as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import docker
import psutil

from benchmarks.cases import Measured
from benchmarks.phases import medians
from benchmarks.site_folder import ROOT
from benchmarks.size import Layer
from benchmarks.targets import MOST_ADDED, judge

_LONGEST_STEP = 90
_PACKAGES = ("prefect", "prefect-docker", "docker", "python-on-whales")


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured. `layers` are those `hello` adds to its base, None when they were not asked for."""

    measured: Sequence[Measured]
    layers: Sequence[Layer] | None
    machine: Mapping[str, str]


def machine() -> dict[str, str]:
    """What the figures depend on; nothing that names the machine."""
    client = docker.from_env()
    engine = client.version()
    buildx = _first_line("docker", "buildx", "version").split()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "engine": f"Docker {engine['Version']}, buildx {buildx[1]}",
        "build cache": f"{len(client.df()['BuildCache'] or ())} records",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }


def markdown(results: Results) -> str:
    """Everything for a person."""
    parts = [_machine_table(results.machine)]
    if results.measured:
        parts.append(_cases_table(results.measured))
    parts += [_phases_table(one) for one in results.measured if one.case in ("edit", "cold")]
    if results.layers is not None:
        parts.append(_layers_table(results.layers))
    return "\n\n".join(parts)


def as_json(results: Results) -> str:
    """Everything for a program: single runs in seconds, in the order in which they ran."""
    cases = {one.case: _case_json(one) for one in results.measured}
    layers = None if results.layers is None else [asdict(layer) for layer in results.layers]
    value = {"version": 1, "machine": results.machine, "cases": cases, "layers": layers}
    return json.dumps(value, indent=2) + "\n"


def _case_json(measured: Measured) -> dict[str, Any]:
    verdict = judge(measured)
    runs = {name: [round(run.seconds, 4) for run in runs] for name, runs in measured.runs.items()}
    return {
        "target": verdict.target.text,
        "reached": verdict.reached,
        "ratio": round(verdict.ratio, 4),
        "medians": {name: round(seconds, 4) for name, seconds in verdict.medians.items()},
        "runs": runs,
        "stolen": {name: [round(run.stolen, 2) for run in runs] for name, runs in measured.runs.items()},
        "phases": {name: round(seconds, 4) for name, seconds in _phases(measured).items()},
    }


def _phases(measured: Measured) -> Mapping[str, float]:
    return {} if measured.case == "nothing" else medians(_ours(measured))


def _ours(measured: Measured) -> Any:
    return next(iter(measured.runs.values()))


def _machine_table(values: Mapping[str, str]) -> str:
    return table(("measured on", ""), list(values.items()))


def _cases_table(measured: Sequence[Measured]) -> str:
    rows = []
    for one in measured:
        verdict = judge(one)
        rows.append(
            (
                verdict.target.title,
                *(
                    _spread([run.seconds for run in runs], verdict.medians[name])
                    for name, runs in one.runs.items()
                ),
                f"{verdict.ratio:.2f} ({1 / verdict.ratio:.1f} times faster)",
                verdict.target.text,
                "yes" if verdict.reached else "**no**",
            )
        )
    sides = tuple(measured[0].runs)
    return table(
        ("seconds: median (least to most)", *sides, "of the faster backend", "target", "reached"), rows
    )


def _spread(seconds: Sequence[float], middle: float) -> str:
    return f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _phases_table(measured: Measured) -> str:
    found = medians(_ours(measured))
    rows = [(name, f"{seconds:.2f}") for name, seconds in found.items()]
    return table((f"{measured.case}: where our time goes", "seconds (median)"), rows)


def _layers_table(layers: Sequence[Layer]) -> str:
    rows = [(_step(layer.created_by), f"{layer.size / 1e6:.3f}") for layer in layers]
    total = sum(layer.size for layer in layers)
    verdict = "reached" if total <= MOST_ADDED else "**not reached**"
    rows.append((f"all; target: at most {MOST_ADDED / 1e6:.0f} MB, {verdict}", f"{total / 1e6:.3f}"))
    return table(("what `hello` adds to its base", "MB compressed"), rows)


def _step(created_by: str) -> str:
    text = " ".join(created_by.removesuffix("# buildkit").split()).replace("|", "\\|")
    return text if len(text) <= _LONGEST_STEP else f"{text[:_LONGEST_STEP]}..."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _first_line(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[0]
