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
def frames(size: int, key: str, hand_over: bool) -> dict:
    """`size` in bytes; the peaks of both sides in bytes. What is handed over is not kept by the caller."""
    before = peak()
    frame, made = made_frame(size)
    began = time.time()
    if hand_over:
        waiting = [frame]
        del frame
        frame = returns.submit(waiting.pop(), key).result()
    else:
        frame = returns(frame, key)
    seconds = time.time() - began
    if looks(frame) != made:
        raise ValueError("another frame came back")
    return {"size": made["size"], "seconds": seconds, "before": before, "caller": peak(), **other_side(key)}


def made_frame(size: int) -> tuple[pandas.DataFrame, dict]:
    """A frame of this size, and what it looks like."""
    random = numpy.random.default_rng(0)
    columns = {f"column {number}": random.random(size // (8 * COLUMNS)) for number in range(COLUMNS)}
    frame = pandas.DataFrame(columns, copy=False)  # it is not made twice, which would be part of the peak
    return frame, looks(frame)


def looks(frame: pandas.DataFrame) -> dict:
    size = int(frame.memory_usage(deep=True).sum())
    return {"rows": len(frame), "sum": frame["column 1"].sum(), "size": size}


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
