"""Hands a frame to the flow `returns` and has it back."""

import json
import time
from pathlib import Path

import numpy
import pandas
from prefect import flow

from flowyard import docker_task

COLUMNS = 20
RESULTS = Path("/var/lib/flowyard/results")
returns = docker_task("returns")


@flow
def frames(size: int, key: str) -> dict:
    """`size` in bytes; the peaks of both sides in bytes."""
    random = numpy.random.default_rng(0)
    rows = size // (8 * COLUMNS)
    before = peak()
    columns = {f"column {number}": random.random(rows) for number in range(COLUMNS)}
    frame = pandas.DataFrame(columns, copy=False)  # it is not made twice, which would be part of the peak
    del columns
    total = frame["column 1"].sum()
    held = int(frame.memory_usage(deep=True).sum())
    began = time.time()
    frame = returns(frame, key)
    seconds = time.time() - began
    if (len(frame), frame["column 1"].sum()) != (rows, total):
        raise ValueError("another frame came back")
    return {"size": held, "seconds": seconds, "before": before, "caller": peak(), **other_side(key)}


def peak() -> int:
    """The most memory that this process ever had."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def other_side(key: str) -> dict:
    """What the called process wrote when it ended."""
    path = RESULTS / f"peak-{key}"
    while not path.exists():
        time.sleep(0.1)
    found = json.loads(path.read_text())
    path.unlink()
    return found
