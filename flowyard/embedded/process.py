"""Starts, recognises and stops the processes of the embedded services.

A pid alone proves nothing, since pids are used again: a process is ours when its creation time is the one
we noted, or when its environment carries our mark, which also finds what a lost state file knew.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from flowyard.embedded.state import Service

Role = Literal["registry", "prefect", "worker", "postgres"]

MARK = "FLOWYARD_SERVICE"
_CREATION_TOLERANCE = 1.0  # seconds; the kernel counts in ticks, and clocks are adjusted
_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start detached: `env` is its whole environment, `log` takes all it prints."""

    role: Role
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path


def instance_id(folder: Path) -> str:
    """Eight hexadecimal digits that tell this state folder's services from another project's."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def mark(folder: Path, role: Role) -> str:
    """The value of the environment variable that marks a service of this state folder."""
    return f"{role}:{folder.resolve()}"


def start(launch: Launch, folder: Path, port: int) -> Service:
    """Start the program in a session of its own, so that Ctrl-C in the terminal does not reach it.

    SIGINT is set back to its default: a shell starts background jobs with SIGINT ignored, a child inherits
    that, and Prefect's worker stops by sending itself SIGINT.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        launch.log.replace(launch.log.with_suffix(".previous.log"))
    env = {**launch.env, MARK: mark(folder, launch.role)}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(launch.log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(
        launch.argv[0],
        launch.argv,
        env,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
    )
    return Service(pid, psutil.Process(pid).create_time(), port, launch.log)


def alive(service: Service) -> bool:
    """Whether the very process that was noted still runs. A zombie does not."""
    return _process(service) is not None


def ask_to_stop(service: Service) -> None:
    """Send SIGTERM and return at once."""
    process = _process(service)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()


def stop(service: Service, *, asked: bool = False) -> None:
    """End the process and its children: SIGTERM, up to ten seconds, then SIGKILL.

    `asked` leaves out SIGTERM, since Prefect's worker takes a second one for SIGKILL.
    """
    process = _process(service)
    if process is not None:
        _end([process], asked=asked)


def stop_marked(folder: Path, role: Role) -> bool:
    """End every process that carries this state folder's mark for `role`; whether there was one."""
    found = _marked(mark(folder, role))
    _end(found, asked=False)
    return bool(found)


def wait_ready(
    service: Service,
    check: Callable[[], bool],
    seconds: float,
    running: Callable[[], bool] | None = None,
) -> str | None:
    """Wait until `check` is true. Returns None, or what went wrong: the end of the service, or of time.

    `running` says whether it still runs, where it is not a process of ours.
    """
    deadline = time.monotonic() + seconds
    while not check():
        if not (running() if running else alive(service)):
            return "ended while starting"
        if time.monotonic() > deadline:
            return f"was not ready after {seconds:.0f} s"
        time.sleep(0.05)
    return None


def last_lines(log: Path, count: int = _LOG_LINES) -> str:
    """The last lines of a log, indented; a note when it is empty."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"  {line}" for line in lines or ["(the log is empty)"])


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without Prefect settings and database passwords, loopback kept off proxies.

    A profile or key of the caller must not decide where an embedded service reports to.
    """
    left_out = ("PREFECT_", "FLOWYARD_DATABASE", "PGPASSWORD")  # the password is in the server's own address
    kept = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name, ""), "127.0.0.1", "localhost")))
    kept["DO_NOT_TRACK"] = "1"
    return kept


def _process(service: Service) -> psutil.Process | None:
    if service.pid is None or service.started is None:
        return None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(service.pid)
        same = abs(process.create_time() - service.started) <= _CREATION_TOLERANCE
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _marked(value: str) -> Sequence[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _end(processes: Sequence[psutil.Process], *, asked: bool) -> None:
    everyone = list(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            everyone.extend(process.children(recursive=True))
    for process in () if asked else processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(processes, timeout=_GRACE)
    for process in everyone:
        with suppress(psutil.NoSuchProcess):
            if process.is_running():
                process.kill()
    psutil.wait_procs(everyone, timeout=_GRACE)
