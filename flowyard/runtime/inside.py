"""The part of the check that imports the flows: in a process of its own, which may end in any way.

Whatever happens to it (killed, out of memory, `os._exit` in a module), its parent lives and says so; what it
found is handed over in a file, because the flow's code owns its output and may close or replace it.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

from flowyard.runtime.bounds import START, Bounds, parse_memory
from flowyard.runtime.description import Progress, Request, describe
from flowyard.runtime.failures import CheckError, user_traceback

OUTCOME = "outcome.json"
TRACE = "trace.txt"
PROGRESS = "importing.txt"
COLLECT_AFTER = 50_000  # objects; the default of 2,000 and less walks through the modules while they load
RESERVE = 256 << 20  # bytes beyond the bound, for saying that it was reached


def parse(program: str, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the check: the parent reads them to refuse wrong ones, the child to do the work."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--name", required=True, help="the flow's folder name")
    parser.add_argument("--python", required=True, help="the expected Python, such as 3.13")
    parser.add_argument("--output", required=True, help="the file to write")
    parser.add_argument("--seconds", type=float, default=Bounds.seconds, help="how long the check may take")
    parser.add_argument("--memory", type=parse_memory, default=Bounds.memory, help="such as 2Gi, per process")
    parser.add_argument("entrypoints", nargs="+", metavar="ENTRYPOINT", help="flow.py:etl, or flow.py")
    return parser.parse_args(arguments)


def bounds_of(options: argparse.Namespace) -> Bounds:
    """The bounds among the options."""
    return Bounds(options.seconds, options.memory)


def find(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """`{"document": ..., "doubtful": ...}`, or `{"finding": ..., "traceback": ...}` of a check that failed."""
    request = Request(options.name, options.python, options.entrypoints, bounds_of(options))
    try:
        described = describe(request, progress)
        return {"document": described.document, "doubtful": described.doubtful}
    except CheckError as failure:
        allow_reserve()
        cause = failure.__cause__
        shown = user_traceback(cause) if cause is not None and not isinstance(cause, CheckError) else ""
        return {"finding": failure.as_json(options.name), "traceback": shown}


def limit_memory(bounds: Bounds) -> None:
    """An allocation beyond the bound fails, as MemoryError in the very line that asks for it.

    Data and not address space: what is only reserved (by threads, by allocators, by mapped files) costs nothing.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (bounds.memory, bounds.memory + RESERVE))


def allow_reserve() -> None:
    """From here on a little more memory: the traceback holds everything that used it up."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def watch(seconds: float, trace: TextIO) -> None:
    """After `seconds`, or when a signal ends the process, write where every thread is; then the process ends.

    The last call counts.
    """
    faulthandler.enable(trace)
    faulthandler.dump_traceback_later(seconds, exit=True, file=trace)


def main(arguments: Sequence[str]) -> NoReturn:
    """Describe, and leave the outcome in the folder that the first argument names."""
    folder = Path(arguments[0])
    options = parse("flowyard.runtime.describe", arguments[1:])
    bounds = bounds_of(options)
    trace = (folder / TRACE).open("w")
    watch(START, trace)
    limit_memory(bounds)
    gc.disable()  # a tenth of the time Prefect takes to load goes into walking through what was loaded
    import prefect  # noqa: F401 - its time is not the flow's

    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)  # the flow's own libraries are as many
    gc.enable()
    progress = Progress(folder / PROGRESS)
    progress.importing("")
    watch(bounds.seconds, trace)
    found = find(options, progress)
    if progress.ours:
        written = folder / "writing.json"
        # ASCII, and whole or not at all.
        written.write_text(json.dumps(found, allow_nan=False), encoding="ascii")
        written.rename(folder / OUTCOME)
    for stream in (sys.stdout, sys.stderr):
        flush(stream)
    os._exit(0)  # at once: threads and exit handlers of imported code have nothing to add


def flush(stream: Any) -> None:
    """What is still buffered belongs to the log; the flow may have closed or replaced the stream."""
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError):
        return
