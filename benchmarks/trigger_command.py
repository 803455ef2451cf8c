"""What `python benchmarks/trigger.py` does: times from the trigger of a run to its state Running.

Ours is what `up` and `ship` give: a worker that asks every second, and the image's own executor. The other
side is Prefect's worker and command with their own settings, on the same image, server and machine.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench, opened, say
from benchmarks.command import RESULTS
from benchmarks.report import machine, table
from benchmarks.timing import BenchmarkFailed
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.running.delay import Delay, measure
from flowyard.values import Json, PrefectAddress

_ROUNDS = 9
_STOCK = "stock"
_SECONDS = 120.0
_TARGET = 4.5
_CREATED = ("flow_id", "entrypoint", "pull_steps", "parameter_openapi_schema", "enforce_parameter_schema")


@dataclass(frozen=True, slots=True)
class Side:
    """One side: what the tables call it, and its deployment's id."""

    name: str
    deployment: str


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when a run did not come out as it should."""
    parser = argparse.ArgumentParser(description="From the trigger of a run to its state Running.")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"runs of each side; default: {_ROUNDS}")
    options = parser.parse_args(argv)
    described = machine()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="flowyard-benchmark-") as folder,
            opened(Path(folder)) as bench,
        ):
            found = _measured(bench, Path(folder), options.rounds)
    except BenchmarkFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(_tables(found))
    content = {
        "case": "trigger",
        "machine": described,
        "runs": {side: [asdict(one) for one in runs] for side, runs in found.items()},
    }
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-trigger.json"
    file.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    return 0


def _measured(bench: Bench, folder: Path, rounds: int) -> dict[str, list[Delay]]:
    bench.smallest.deploy()
    api = PrefectRest(PrefectAddress(bench.site.api_url))
    (ours,) = api.request("POST", "/deployments/filter", {"flows": {"name": {"any_": ["hello"]}}})
    found: dict[str, list[Delay]] = {}
    with _stock_worker(bench, folder):
        sides = (Side("flowyard", ours["id"]), Side(_STOCK, _stock_deployment(api, ours)))
        for number in range(rounds + 1):
            for side in sides:
                time.sleep(random.uniform(0, 2))  # a trigger comes at any time between two questions
                run = _run(api, side)
                say(f"{number or 'warm-up'}: {side.name} {run.to_running:.2f} s")
                if number:
                    found.setdefault(side.name, []).append(run)
    return found


@contextmanager
def _stock_worker(bench: Bench, folder: Path) -> Iterator[None]:
    """Prefect's docker worker with no setting but the server's address; it makes its work pool."""
    command = [bench.site.environment.program("prefect"), "worker", "start", "--pool", _STOCK]
    environ = {**bench.site.environ, "PREFECT_API_URL": bench.site.api_url}
    with (folder / "stock-worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, "--type", "docker", "--install-policy", "never"],
            env=environ,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            time.sleep(15)  # it has made its pool and asked for the first time
            yield
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()


def _stock_deployment(api: PrefectRest, ours: Json) -> str:
    """The same image without our settings, on the stock worker's pool."""
    variables = {"image": ours["job_variables"]["image"], "env": {"FLOWYARD_RUNNER": "prefect"}}
    body = {name: ours[name] for name in _CREATED}
    pool = {"name": _STOCK, "work_pool_name": _STOCK, "job_variables": {**variables, "auto_remove": True}}
    return str(api.request("POST", "/deployments/", {**body, **pool})["id"])


def _run(api: PrefectRest, side: Side) -> Delay:
    run = api.request("POST", f"/deployments/{side.deployment}/create_flow_run", {})["id"]
    deadline = time.monotonic() + _SECONDS
    while (state := api.request("GET", f"/flow_runs/{run}")["state"]["type"]) != "COMPLETED":
        if state in ("FAILED", "CRASHED", "CANCELLED") or time.monotonic() > deadline:
            raise BenchmarkFailed(f"{side.name}: the run is {state}")
        time.sleep(0.25)
    time.sleep(4)  # its container has ended, and what was noted has arrived
    found = measure(api, run)
    if found is None:
        raise BenchmarkFailed(f"{side.name}: the run says nothing about its start")
    return found


def _tables(found: dict[str, list[Delay]]) -> str:
    rows = [
        (
            side,
            f"{median(one.to_running for one in runs):.2f}",
            f"{min(one.to_running for one in runs):.2f} to {max(one.to_running for one in runs):.2f}",
        )
        for side, runs in found.items()
    ]
    whole = table(("trigger to Running", f"s, median of {len(found['flowyard'])}", "s, all"), rows)
    target = f"Target: {_TARGET} s."
    return "\n\n".join((whole, target, *(_phases(side, runs) for side, runs in found.items())))


def _phases(side: str, runs: Sequence[Delay]) -> str:
    usual = max((run.phases for run in runs), key=len)
    same = [run.phases for run in runs if [one.name for one in run.phases] == [one.name for one in usual]]
    rows = [
        (phase.name, f"{median(phases[position].seconds for phases in same):.2f}")
        for position, phase in enumerate(usual)
    ]
    return table((f"{side}: phase", f"s, median of {len(same)}"), rows)
