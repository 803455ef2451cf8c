"""Returns a frame."""

import atexit
import json
from pathlib import Path

import pandas
from prefect import flow

RESULTS = Path("/var/lib/flowyard/results")


@flow(validate_parameters=False)
def returns(frame: pandas.DataFrame, key: str) -> pandas.DataFrame:
    """The frame as it came. The peak of this process is written when it ends, as storing the frame is part of it."""
    atexit.register(write_peak, key)
    return frame


def write_peak(key: str) -> None:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    path = RESULTS / f"peak-{key}.part"
    path.write_text(json.dumps({"called": int(lines["VmHWM"].split()[0]) * 1024}))
    path.rename(RESULTS / f"peak-{key}")
