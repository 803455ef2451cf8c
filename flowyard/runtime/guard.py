"""Runs a program that may do anything, and is done with it in a known time.

Output passes through a relay that keeps the beginning and the end: BuildKit cuts a step's output off when it
is long or fast, and what it then drops is the end, where the reason stands.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

GRACE = 5.0  # seconds: the child ends itself at its deadline, and tells where it was; this one waits for that
HEAD = 64 << 10  # bytes of output passed on as they come
TAIL = 16 << 10  # bytes kept back of what comes after those, and passed on at the end
_PAUSE = 0.05  # seconds between two looks whether the child still lives
_CHUNK = 64 << 10  # bytes


class Sink(Protocol):
    """Where output goes."""

    def write(self, data: bytes, /) -> int:
        """Take some output."""
        ...

    def flush(self) -> None:
        """Hand over what was taken."""
        ...


class Relay:
    """Passes output on: the first bytes at once, of the rest the last bytes on `close`, beginning a line."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._passed = 0
        self._tail = b""
        self._left_out = 0
        self._last = b"\n"

    def write(self, data: bytes) -> None:
        """Take some output."""
        self._pass_on(data[: HEAD - self._passed])
        rest = data[HEAD - self._passed :] if self._passed < HEAD else data
        self._passed = min(HEAD, self._passed + len(data))
        kept = self._tail + rest
        self._tail = kept[-TAIL:]
        self._left_out += len(kept) - len(self._tail)

    def close(self) -> None:
        """Pass on what was kept back, so that whatever is said next begins a line of its own."""
        if self._left_out:
            note = f"[flowyard: {self._left_out} bytes of output are left out here]\n".encode()
            self._pass_on(b"\n" * (self._last != b"\n") + note)
        self._pass_on(self._tail)
        self._pass_on(b"\n" * (self._last != b"\n"))
        self._tail = b""

    def _pass_on(self, data: bytes) -> None:
        if data:
            self._sink.write(data)
            self._sink.flush()
            self._last = data[-1:]


@dataclass(frozen=True)
class Ended:
    """How a program ended. `status` is its exit status, or minus the signal that ended it."""

    status: int
    timed_out: bool = False

    @property
    def shown(self) -> str:
        """As in `with exit status 3`, `by SIGSEGV`."""
        if self.status >= 0:
            return f"with exit status {self.status}"
        names = {each.value: each.name for each in signal.Signals}  # not every real-time signal has one
        return f"by {names.get(-self.status, f'signal {-self.status}')}"


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float, relay: Relay) -> Ended:
    """Run a program in a process group of its own, and end the whole group with it.

    It has no input; its output goes to `relay`. It is to end itself after `seconds`; GRACE later it is killed.
    """
    reading, writing = os.pipe()
    child = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    os.set_blocking(reading, False)
    try:
        in_time = _follow(child, reading, time.monotonic() + seconds + GRACE, relay)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        _drain(reading, relay)
        os.close(reading)
    return Ended(child.returncode, timed_out=not in_time)


def _follow(child: subprocess.Popen[bytes], reading: int, deadline: float, relay: Relay) -> bool:
    """Pass output on until the child has ended (True) or its time is over (False).

    Not until the output has ended: processes the child started may hold it open.
    """
    is_open = True
    while child.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        pause = min(left, _PAUSE)
        if not is_open:
            with suppress(subprocess.TimeoutExpired):
                child.wait(pause)
        elif select.select([reading], [], [], pause)[0]:
            data = os.read(reading, _CHUNK)
            relay.write(data)
            is_open = bool(data)
    return True


def _drain(reading: int, relay: Relay) -> None:
    """What the pipe still holds; whoever could write more has ended."""
    with suppress(BlockingIOError):
        while data := os.read(reading, _CHUNK):
            relay.write(data)
