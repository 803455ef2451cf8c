"""Times whole processes, and keeps when each line of their output came.

From outside, by one clock, with the same pipes for everybody: nothing in a program under test is instrumented.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil

_LAST_LINES = 30
_MUCH = 0.05  # of a run's time: what was stolen is told from there on


class BenchmarkFailed(Exception):
    """A run that does not count: a program failed, or left something else than it should have."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of stderr and when it came, in seconds since the process was started."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Timed:
    """A process that ended well: wall time in seconds from before its start until it was waited for.

    `stolen` is the processor time in seconds, of all cores, that other machines on the same host had meanwhile.
    """

    seconds: float
    stolen: float
    stdout: tuple[Line, ...]
    stderr: tuple[Line, ...]

    def __str__(self) -> str:
        return spelled(self.seconds, self.stolen, " s")

    @property
    def output(self) -> str:
        """What it printed on stdout."""
        return "\n".join(line.text for line in self.stdout)


def spelled(seconds: float, stolen: float, unit: str = "") -> str:
    """Seconds for a person, and what was stolen where that is much."""
    return f"{seconds:.2f}{unit}" + (f" with {stolen:.1f}{unit} stolen" if stolen > _MUCH * seconds else "")


def timed(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Timed:
    """Run a program to its end. Raises BenchmarkFailed, with its last lines, when it fails."""
    stolen, started = _stolen(), time.perf_counter()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out: list[Line] = []
    err: list[Line] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, started, out)),
        threading.Thread(target=_read, args=(process.stderr, started, err)),
    ]
    for reader in readers:
        reader.start()
    code = process.wait()
    seconds, stolen = time.perf_counter() - started, _stolen() - stolen
    for reader in readers:
        reader.join()
    if code != 0:
        last = "\n".join(f"  | {line.text}" for line in [*out, *err][-_LAST_LINES:])
        raise BenchmarkFailed(f"{' '.join(argv)} ended with {code}:\n{last}")
    return Timed(seconds, stolen, tuple(out), tuple(err))


def _stolen() -> float:
    return float(getattr(psutil.cpu_times(), "steal", 0.0))  # only Linux tells


def _read(stream: TextIO, started: float, into: list[Line]) -> None:
    with stream:
        for text in stream:
            into.append(Line(time.perf_counter() - started, text.rstrip("\n")))
