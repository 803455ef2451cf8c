"""Runs of called flows where nothing was shipped: containers of the local engine, as long as this process lives.

The flow that calls was started by hand (`python flows/etl/flow.py`). What it calls runs in the newest image of its
folder, in the same Prefect API as the caller, be that the temporary one that Prefect starts for a flow, and values
lie in a folder that the containers see.
"""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyard.runtime.names import DESCRIPTION, PROJECT_LABEL, RESULTS_ENV
from flowyard.runtime.storage import Folder, Storage
from flowyard.runtime.tasks import local_images
from flowyard.runtime.tasks.callers import Caller
from flowyard.runtime.tasks.errors import ChildCrashed, NotPinned
from flowyard.runtime.tasks.handles import OpenCalls
from flowyard.runtime.tasks.local_api import api_environment, reached, with_files
from flowyard.runtime.tasks.local_engine import (
    SHARED,
    CommandLine,
    Container,
    Engine,
    EngineFailed,
    Start,
    Variables,
    run_words,
)
from flowyard.runtime.tasks.local_flow import call_key, died_key, state_key
from flowyard.runtime.tasks.local_images import Image
from flowyard.runtime.tasks.logs import logger_of_call
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.pins import Pin
from flowyard.runtime.tasks.runs import Begun, Pinned, Place, Request
from flowyard.runtime.tasks.storage import PREFIX

_DESCRIBE = f"print(open({DESCRIPTION!r}, encoding='utf-8').read())"
_KILL = 12.0  # seconds after which a container is killed that does not end
_TAIL = 2000  # characters of a container's output that an error tells
_PAUSE = 0.1  # seconds


@dataclass(frozen=True)
class Surroundings:
    """What a local run needs to know of the caller: its project, and the variables that lead to its Prefect API."""

    project: Callable[[], str]
    api: Callable[[], Mapping[str, str]]


@dataclass(eq=False)
class _Run:
    id: str
    task: str
    container: Container
    log: Path
    why: str = ""
    ended: Future[Ended] = field(default_factory=Future)


class LocalRuns:
    """As Catalogue, Runs and Accounts: the engine of this machine, and a folder."""

    def __init__(self, engine: Engine, folder: Path, around: Surroundings) -> None:
        self._engine = engine
        self._folder = folder
        self._around = around
        self._lock = threading.Lock()
        self._images: dict[str, tuple[Image, Mapping[str, Any]]] = {}
        self._runs: dict[str, _Run] = {}
        self._by_key: dict[str, _Run] = {}
        self._system: str | None = None

    def storage(self) -> Storage:
        """The folder of values."""
        return SharedFolder(self._folder / "shared" / PREFIX)

    def pinned(self, task: str, deployment: str | None) -> Pinned:
        """As Catalogue.pinned: the newest image at the first call, which later ones keep to."""
        with self._lock:
            if task not in self._images:
                self._images[task] = self._find(task)
            image, description = self._images[task]
        flow = local_images.flow_in(description, task, deployment)
        return Pinned(
            Pin(task, flow["id"], f"{image.id}/{flow['id']}", image.reference), flow["parameter_schema"]
        )

    def begin(self, request: Request, caller: Caller | None) -> Begun:
        """As Runs.begin: keys are known as long as this process lives."""
        with self._lock:
            known = self._by_key.get(request.key or "")
            if known is None:
                known = self._started(request)
                self._by_key[request.key or known.id] = known
                return Begun(known.id)
        ended = known.ended.result() if known.ended.done() else None
        return Begun(known.id, ended, bool(known.why) and ended is None)

    def end_of(self, run: Begun, request: Request, patience: float) -> Future[Ended]:
        """As Runs.end_of."""
        future: Future[Ended] = Future()

        def hand_on(ended: Future[Ended]) -> None:
            with suppress(InvalidStateError):  # nobody wants to know any more
                future.set_result(ended.result())

        self._runs[run.id].ended.add_done_callback(hand_on)
        return future

    def cancel(self, run: str, why: str) -> None:
        """As Runs.cancel."""
        known = self._runs[run]
        known.why = known.why or why
        known.container.end()
        late = threading.Timer(_KILL, self._kill, (known,))
        late.daemon = True
        late.start()

    def why_waiting(self, run: str) -> str:
        """As Accounts.why_waiting: a container that is there is being executed."""
        return "its container does not start"

    def repeat_log(self, run: str, task: str) -> None:
        """As Accounts.repeat_log."""
        logger = logger_of_call()
        with suppress(OSError):
            for line in self._runs[run].log.read_text("utf-8", "replace").splitlines():
                logger.info("%s | %s", task, line)

    def _find(self, task: str) -> tuple[Image, Mapping[str, Any]]:
        label = f"label={PROJECT_LABEL}={self._around.project()}"
        try:
            ids = sorted(
                set(self._engine.ask("image", "ls", "--quiet", "--no-trunc", "--filter", label).split())
            )
            inspected = json.loads(self._engine.ask("image", "inspect", *ids)) if ids else []
            image = local_images.newest(inspected, task)
            words = (
                "run",
                "--rm",
                "--pull",
                "never",
                "--network",
                "none",
                image.id,
                "python",
                "-c",
                _DESCRIBE,
            )
            return image, json.loads(self._engine.ask(*words))
        except (EngineFailed, ValueError) as error:
            raise NotPinned(
                f"flows/{task} is called in its image on the local Docker engine, which failed: {error}",
                task=task,
            ) from error

    def _started(self, request: Request) -> _Run:
        pin = request.pinned.pin
        run = uuid.uuid4().hex
        call = {
            "flow": pin.deployment,
            "name": request.name,
            "parameters": request.parameters,
            "pickle": request.pickle,
        }
        _opened(self._folder / "shared" / PREFIX / "runs" / run)
        self.storage().put(call_key(run), json.dumps(call).encode())
        log = self._folder / f"{run}.log"
        try:
            start = self._start(request, run)
            start.variables.write(start.env_file)
            container = self._engine.start(run_words(start), start.variables.named, log)
        except (EngineFailed, OSError) as error:
            self._forget_variables(run)
            raise ChildCrashed(f"Docker task {pin.task!r}: {error}", task=pin.task, run=run) from error
        known = self._runs[run] = _Run(run, pin.task, container, log)
        threading.Thread(target=self._follow, args=(known,), name=f"flowyard-{run[:8]}", daemon=True).start()
        return known

    def _start(self, request: Request, run: str) -> Start:
        if self._system is None:
            self._system = self._engine.ask("info", "--format", "{{.OperatingSystem}}").strip()
        shared = self._folder / "shared"
        api = with_files(self._around.api(), shared)
        api["PREFECT_API_URL"], network = reached(api["PREFECT_API_URL"], self._system)
        own = request.job_variables.get("env") or {}
        env = {name: str(value) for name, value in own.items() if value is not None}
        variables = Variables.of({**env, **api, RESULTS_ENV: f"file://{SHARED}"})
        memory = str(request.job_variables.get("mem_limit") or "")
        image = request.pinned.pin.id.partition("/")[0]
        return Start(image, run, shared, variables, self._env_file(run), network, memory)

    def _env_file(self, run: str) -> Path:
        return self._folder / f"{run}.env"

    def _forget_variables(self, run: str) -> None:
        with suppress(OSError):  # of a folder that nobody else sees, and that goes with this process
            self._env_file(run).unlink()

    def _follow(self, run: _Run) -> None:
        try:
            code = run.container.wait()
            ended = self._ended(run, code)
        except Exception as error:  # whoever waits is to be told
            ended = Ended(run.task, run.id, "CRASHED", "Crashed", f"{type(error).__name__}: {error}")
        self._forget_variables(run.id)
        run.ended.set_result(ended)

    def _ended(self, run: _Run, code: int) -> Ended:
        if run.why:
            return Ended(run.task, run.id, "CANCELLED", "Cancelled", run.why)
        storage = self.storage()
        with suppress(FileNotFoundError):
            state = json.loads(storage.read(state_key(run.id)))
            return Ended(run.task, run.id, state["type"], state["name"], state["message"])
        reason = f"its container exited with status code: {code}"
        with suppress(FileNotFoundError):
            reason += f", {storage.read(died_key(run.id)).decode()}"
        tail = run.log.read_text("utf-8", "replace")[-_TAIL:].strip()
        return Ended(run.task, run.id, "CRASHED", "Crashed", reason, tail)

    def _kill(self, run: _Run) -> None:
        if not run.ended.done():
            with suppress(EngineFailed):  # it has ended meanwhile
                self._engine.ask("kill", f"flowyard-task-{run.id}")


class SharedFolder(Folder):
    """A folder that two users write into: this process's, and the one in the containers."""

    def put(self, key: str, source: bytes | Path) -> None:
        """As Storage.put, but that whoever sees the folder can read the file."""
        super().put(key, source)
        with suppress(PermissionError):
            (self._folder / key).chmod(0o644)


def _opened(folder: Path) -> None:
    """A folder that both write into. Who sees it is decided by the one around it, which is its owner's alone."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)


def local_place(calls: OpenCalls) -> Place:
    """The local engine, for this process."""
    folder = Path(tempfile.mkdtemp(prefix="flowyard-tasks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "shared").mkdir()
    for name in ("", "values", "runs", "parts"):
        _opened(folder / "shared" / PREFIX / name)
    runs = LocalRuns(CommandLine(), folder, Surroundings(_project, api_environment))
    threading.Thread(target=_stay, args=(calls,), name="flowyard-open-calls").start()
    return Place(runs, runs, runs, runs.storage)


def _project() -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    folders = [Path(main).resolve().parent] if main else []
    return local_images.project_above([*folders, Path.cwd()])


def _stay(calls: OpenCalls) -> None:
    """Keep the process until its calls have ended, as a flow that was shipped waits for them; one that failed does
    not. Not a daemon: the interpreter waits for this thread."""
    threading.main_thread().join()
    if hasattr(sys, "last_value"):
        calls.end_all("The process that called it ends.")
    while calls.is_any_open():
        time.sleep(_PAUSE)
