"""What `python benchmarks/docker_tasks.py` does: times calls of Docker tasks and of `run_deployment`, and their memory.

All sides are called by one run of one flow, in turn. Ours is what `up` and `ship` give; the others are described in
docker_tasks_sides.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, opened, say
from benchmarks.command import RESULTS
from benchmarks.docker_tasks_report import OURS, Call, Found, Frame, tables
from benchmarks.docker_tasks_sides import PEERS, peer_deployment, worker
from benchmarks.report import machine
from benchmarks.site_folder import ROOT
from benchmarks.timing import BenchmarkFailed, timed
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.commands.opening import open_project
from flowyard.errors import FlowyardError
from flowyard.running.run import find_deployment, follow, result_of, trigger
from flowyard.values import Json, PrefectAddress
from flowyard.wiring import open_results

_TASKS = ROOT / "benchmarks" / "tasks"
_CASES = ("call", "map", "frame")
_CALLS, _MANY, _AT_ONCE, _BYTES = 5, 20, 4, 200_000_000
_SECONDS = 1800.0


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when a run did not come out as it should."""
    parser = argparse.ArgumentParser(description="Docker tasks against run_deployment on this machine.")
    parser.add_argument("--case", action="append", choices=_CASES, help="only this one; repeatable")
    parser.add_argument("--calls", type=int, default=_CALLS, help=f"calls of each side; default: {_CALLS}")
    parser.add_argument("--maps", type=int, default=1, help="maps of each side; default: 1")
    options = parser.parse_args(argv)
    cases = tuple(dict.fromkeys(options.case or _CASES))
    described = machine()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="flowyard-benchmark-") as folder,
            opened(Path(folder)) as bench,
        ):
            found = _measured(bench, Path(folder), cases, options)
    except (BenchmarkFailed, FlowyardError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(tables(found))
    content = {"case": "docker-tasks", "machine": described, **asdict(found)}
    part = "".join(f"-{name}" for name in cases) if options.case else ""
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-docker-tasks{part}.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _measured(bench: Bench, folder: Path, cases: Sequence[str], options: argparse.Namespace) -> Found:
    api = PrefectRest(PrefectAddress(bench.site.api_url))
    calls, maps = options.calls * ("call" in cases), options.maps * ("map" in cases)
    frames: tuple[Frame, ...] = ()
    sides: Mapping[str, Mapping[str, Sequence[Json]]] = {}
    if "frame" in cases:
        _ship(bench, "returns", "frames", lock=True)
        frames = tuple(_frame(bench, api, kept=kept) for kept in (True, False))
    if calls or maps:
        _ship(bench, "called", "caller")
        with ExitStack() as workers:
            peers = _peers(bench, folder, api, workers)
            parameters = {"peers": peers, "calls": calls, "maps": maps, "many": _MANY, "at_once": _AT_ONCE}
            returned = _returned(bench, api, "caller", parameters)
            sides = {side: returned[side] for side in (OURS, *peers)}
    return Found(
        calls={side: _calls(api, found["calls"]) for side, found in sides.items() if calls},
        maps={side: _calls(api, found["maps"]) for side, found in sides.items() if maps},
        frames=frames,
        many=_MANY,
        at_once=_AT_ONCE,
    )


def _ship(bench: Bench, *flows: str, lock: bool = False) -> None:
    """Copy these flows into the project and ship them."""
    program = bench.site.environment.program("flowyard")
    for flow in flows:
        shutil.copytree(_TASKS / flow, bench.ours.folder / "flows" / flow)
    say(f"shipping {' and '.join(flows)}")
    for words in (("lock", *flows), flows) if lock else (flows,):
        timed([program, *words], bench.ours.folder, bench.site.environ)


def _peers(bench: Bench, folder: Path, api: PrefectRest, workers: ExitStack) -> dict[str, Json]:
    """What the caller is told of the other sides, whose workers run until `workers` is closed."""
    ours = _deployment(api, "called")
    told = {}
    for peer in PEERS:
        if peer.pool is not None:
            say(f"starting the worker of {peer.name}")
            workers.enter_context(worker(bench.site, folder, peer))
        told[peer.name] = {"deployment": peer_deployment(api, ours, peer), "options": peer.options}
    return told


def _deployment(api: PrefectRest, flow: str) -> Mapping[str, Json]:
    found = api.request("POST", "/deployments/filter", {"flows": {"name": {"any_": [flow]}}})
    (ours,) = [one for one in found if one["name"] == "default"]
    return dict(ours)


def _returned(bench: Bench, api: PrefectRest, flow: str, parameters: Mapping[str, Json]) -> Any:
    """What a run of this flow returned."""
    say(f"running {flow}")
    project = open_project(bench.ours.folder)
    target = project.targets[project.default_target]
    run = trigger(api, find_deployment(api, project, target, f"{flow}/default"), parameters)
    finished = follow(api, run, say, _SECONDS)
    result = result_of(run, finished, open_results(target))
    return result["json"]


def _calls(api: PrefectRest, found: Sequence[Json]) -> tuple[Call, ...]:
    """Each call with how late its end was noticed: of a map, that of the run that ended last."""
    calls = []
    for one in found:
        states = [api.request("GET", f"/flow_runs/{run}")["state"] for run in one["runs"]]
        wrong = sorted({state["type"] for state in states} - {"COMPLETED"})
        if wrong or len({*one["runs"]}) != len(one["runs"]):
            raise BenchmarkFailed(f"runs are {wrong or 'doubled'}: {one['runs']}")
        last = max(datetime.fromisoformat(state["timestamp"]).timestamp() for state in states)
        calls.append(Call(seconds=one["seconds"], late=one["ended"] - last))
    return tuple(calls)


def _frame(bench: Bench, api: PrefectRest, *, kept: bool) -> Frame:
    parameters = {"size": _BYTES, "key": uuid.uuid4().hex, "hand_over": not kept}
    return Frame(kept=kept, **_returned(bench, api, "frames", parameters))
