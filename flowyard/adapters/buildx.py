"""Runs `docker buildx build`, one process per image, and turns its end into a `BuiltImage` or an error.

The command line is the interface that has contexts, builders, credential helpers and secrets all working as
the user set them up; the Python client for the engine cannot drive BuildKit.
"""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TextIO

from flowyard.adapters.docker_login import logged_in
from flowyard.adapters.registry_credentials import DockersOwn
from flowyard.build import (
    BuildRequest,
    BuiltImage,
    PushTries,
    buildx_argv,
    client_environment,
    digest_in,
    failure,
    image_id_in,
    missing_secrets,
    result_text,
    step_text,
)
from flowyard.building.buildkit_progress import BuildReader, Event, StepEvent, log_line
from flowyard.building.hints import MINIMUM_BUILDX
from flowyard.building.timeline import keep_steps
from flowyard.errors import BuildFailed, EngineError, FlowyardError, Unfinished
from flowyard.ports import LogFiles, Logins, Progress

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
# Waits for a line, or for the end of its input: then whoever started it was killed and could not end this
# group of programs itself.
_LEASH = f'read -r _ || {{ kill -s TERM -- "-$1"; sleep {_GRACE:g}; kill -s KILL -- "-$1"; }} 2>/dev/null'


class LineProcesses(Protocol):
    """Runs programs whose output is read as it comes, and can end all of them."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        """Run to the end, hand over each line of stderr, return the exit code.

        Raises EngineError when the program is not there, Unfinished when `stop` was called.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Wait; returns at once when `stop` is called."""
        ...

    def stop(self) -> None:
        """End every running program and start no other. They have ended once `run` has returned."""
        ...


class SystemLineProcesses:
    """Programs of this machine, each in a session of its own.

    A program and its children (the docker client starts buildx) are then one group that can be ended as a
    whole, and Ctrl-C in the terminal reaches this process alone, which ends them in order.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        """As LineProcesses.run."""
        process = self._start(argv, env)
        assert process.stderr is not None
        leash = _leash(process)
        try:
            for line in process.stderr:
                on_line(line.rstrip("\n"))
            code = process.wait()
        finally:
            self._end(process)
            process.stderr.close()
            leash.communicate(b"ended\n")
        if self._stopped.is_set():
            raise Unfinished("the build was stopped")
        return code

    def pause(self, seconds: float) -> None:
        """As LineProcesses.pause."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """As LineProcesses.stop."""
        with self._lock:
            self._stopped.set()
            for process in self._running:
                _signal(process, signal.SIGTERM)
            late = threading.Timer(_GRACE, self._kill)
        late.daemon = True
        late.start()

    def _start(self, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped.is_set():
                raise Unfinished("the build was stopped")
            try:
                process = subprocess.Popen(
                    list(argv),
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            except (FileNotFoundError, PermissionError) as error:
                raise EngineError(
                    f"cannot start {argv[0]}: {error.strerror}",
                    hint=f"install the Docker client and its buildx plugin ({MINIMUM_BUILDX} or newer)",
                ) from None
            self._running.add(process)
            return process

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Leave nothing running, whatever interrupted the reading. The pid is ours until it is waited for."""
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        with self._lock:
            self._running.discard(process)

    def _kill(self) -> None:
        with self._lock:
            for process in self._running:
                _signal(process, signal.SIGKILL)


def _leash(process: subprocess.Popen[str]) -> subprocess.Popen[bytes]:
    """What ends the program should this process be killed. Ctrl-C does not reach it."""
    return subprocess.Popen(
        ["sh", "-c", _LEASH, "sh", str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@dataclass(frozen=True, slots=True)
class Buildx:
    """The ImageBuilder that runs `docker buildx build`. `environ` is the user's environment.

    Safe to call from several threads: BuildKit shares equal steps among builds that run at once.
    """

    processes: LineProcesses
    progress: Progress
    logs: LogFiles
    environ: Mapping[str, str]
    logins: Logins = field(default_factory=DockersOwn)

    def build(self, request: BuildRequest) -> BuiltImage:
        """Build, and push when asked, trying a push again that failed for a passing reason.

        The full log is written to the flow's log file as it goes. Raises BuildFailed, CheckFailed or
        EngineError; then no image was published by this build.
        """
        log = self.logs.path(request.flow)
        try:
            return self._build(request, log)
        except FlowyardError:
            self.progress.done(request.flow, "build failed", failed=True)
            raise

    def _build(self, request: BuildRequest, log: Path) -> BuiltImage:
        missing = missing_secrets(request.secrets, self.environ)
        if missing:
            raise BuildFailed("; ".join(missing), hint="set it, then build again")
        started = time.monotonic()
        with log.open("w", encoding="utf-8", buffering=1) as out, tempfile.TemporaryDirectory() as folder:
            metadata = Path(folder, "metadata.json")
            reader = self._until_pushed(request, metadata, out)
            text = metadata.read_text("utf-8") if metadata.exists() else ""
        built = BuiltImage(
            flow=request.flow,
            reference=request.reference,
            digest=digest_in(text) if request.push else None,
            image_id=image_id_in(text),
            seconds=time.monotonic() - started,
            log=log,
            cached_steps=reader.cached_steps,
            steps=reader.steps,
        )
        self.progress.done(request.flow, result_text(request, built.seconds, reader))
        return built

    def _until_pushed(self, request: BuildRequest, metadata: Path, out: TextIO) -> BuildReader:
        tries = PushTries(random.random)
        while True:
            with self._environment(request, renewed=tries.renewed) as env:
                code, reader = self._once(request, metadata, out, env)
            if code == 0:
                return reader
            wait = tries.wait(request, reader)
            if wait is None:
                raise failure(request, reader, Path(out.name))
            self.progress.step(request.flow, f"pushing failed, trying again in {wait:.0f} s")
            print(f"trying to push again in {wait:.1f} s", file=out)
            self.processes.pause(wait)
            # What was just built is what has to be pushed: no second build, also when the cache was refused.
            request = replace(request, no_cache=False)

    @contextmanager
    def _environment(self, request: BuildRequest, *, renewed: bool) -> Iterator[Mapping[str, str]]:
        """What buildx runs in: the user's environment, logged in where the registry's own API gives the login."""
        env = client_environment(self.environ)
        host = request.reference.repository.host
        login = self.logins.credentials(host, renewed=renewed) if request.push else None
        if login is None:
            yield env
            return
        with logged_in(env, host, login) as own:
            yield own

    def _once(
        self, request: BuildRequest, metadata: Path, out: TextIO, env: Mapping[str, str]
    ) -> tuple[int, BuildReader]:
        reader = BuildReader()
        argv = buildx_argv(request, metadata)
        print(*request.notes, f"$ {shlex.join(argv)}", sep="\n", file=out)

        def take(line: str) -> None:
            for event in reader.read(line):
                self._tell(request.flow, event, out)

        try:
            code = self.processes.run(argv, env, take)
        finally:
            keep_steps(reader.times, Path(out.name))
        for event in reader.finish():
            self._tell(request.flow, event, out)
        return code, reader

    def _tell(self, flow: str, event: Event, out: TextIO) -> None:
        print(log_line(event), file=out)
        text = step_text(event) if isinstance(event, StepEvent) else None
        if text is not None:
            self.progress.step(flow, text)
