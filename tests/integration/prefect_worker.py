"""Starts one of Prefect's own workers beside a server, as a user does: `prefect worker start`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 3.0  # seconds; told to stop, a worker waits for the websockets of its server


@contextmanager
def running_worker(
    home: Path, pool: str, settings: Mapping[str, str], kind: str = "docker"
) -> Iterator[Path]:
    """A worker of the work pool, with these settings, until the block ends; its log file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": "1", "DO_NOT_TRACK": "1"}
    home.mkdir(parents=True, exist_ok=True)
    log = home / "worker.log"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", kind]
    with log.open("ab") as output:
        worker = subprocess.Popen(
            [*command, "--name", home.name, "--install-policy", "never"],
            env={**kept, **own, **settings},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, number)
            with suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=_PATIENCE)
        worker.wait()
