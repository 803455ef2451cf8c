"""Prefect's own ECS worker, with the observer of task events in it, started as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_START_SECONDS = 90.0
_STOP_SECONDS = 15.0
# The worker turns SIGTERM into SIGINT, which a shell lets its background processes ignore: it would never end.
_PROGRAM = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('prefect', run_name='__main__', alter_sys=True)"
)
# What a developer's or a CI's own settings would change.
_FOREIGN = ("PREFECT_", "AWS_")


class EcsWorker:
    """A worker of one work pool. `log` holds all that it and its observer said, over every start."""

    def __init__(self, home: Path, pool: str, settings: Mapping[str, str]) -> None:
        self.log = home / "worker.log"
        self._home = home
        self._pool = pool
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it looks for runs."""
        self._home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        own = {
            "PREFECT_HOME": str(self._home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DO_NOT_TRACK": "1",
        }
        words = ["worker", "start", "--pool", self._pool, "--type", "ecs", "--install-policy", "never"]
        before = self._starts()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *words, "--name", self._home.name],
                env={**kept, **own, **self._settings},
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._starts() == before:
            assert self._process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.1)

    def stop(self) -> float:
        """Tell it to stop, and wait until it has; how many seconds that took."""
        begun = time.monotonic()
        if self._process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=_STOP_SECONDS)
                    break
            self._process.wait()
            self._process = None
        return time.monotonic() - begun

    def text(self) -> str:
        """What it said so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _starts(self) -> int:
        return self.text().count(" started!")


@contextmanager
def ecs_worker(home: Path, pool: str, settings: Mapping[str, str]) -> Iterator[EcsWorker]:
    """A running worker, until the block ends."""
    worker = EcsWorker(home, pool, settings)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()
