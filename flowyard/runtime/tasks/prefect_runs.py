"""Runs of called flows as flow runs of their pins, in the Prefect server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowyard.runtime.tasks import stuck
from flowyard.runtime.tasks.callers import Caller
from flowyard.runtime.tasks.child import PICKLE
from flowyard.runtime.tasks.errors import DockerTaskError, NotPinned, ServerRefuses
from flowyard.runtime.tasks.logs import logger_of_call
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.pins import Pin, choose, read
from flowyard.runtime.tasks.runs import Begun, Pinned, Place, Request
from flowyard.runtime.tasks.storage import open_storage
from flowyard.runtime.tasks.waiting import Waiter
from flowyard.runtime.tasks.watch import IMAGE, PARENT

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


def connected() -> SyncPrefectClient:
    """A client, which stays open."""
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True).__enter__()


class PrefectRuns:
    """The server, asked by one thread at a time: writes at once are slower, and on SQLite collide."""

    def __init__(
        self, environ: Mapping[str, str], connect: Callable[[], SyncPrefectClient] = connected
    ) -> None:
        self._environ = environ
        self._connect = connect
        self._lock = threading.Lock()
        self._client: SyncPrefectClient | None = None
        self._pinned: dict[str, Pinned] = {}
        self._waiter = Waiter()

    def pinned(self, task: str, deployment: str | None) -> Pinned:
        """As Catalogue.pinned: what the server says. Raises NotPinned also when it is gone or was changed,
        ServerRefuses when the server says neither."""
        pin = choose(read(self._environ), task, deployment)
        with self._asking(task) as client:
            if pin.id not in self._pinned:
                self._pinned[pin.id] = _read(client, pin)
            return self._pinned[pin.id]

    def begin(self, request: Request, caller: Caller | None) -> Begun:
        """As Runs.begin."""
        pin = request.pinned.pin
        labels: dict[str, Any] = {IMAGE: pin.image, **({PARENT: caller.root} if caller else {})}
        if request.pickle:
            labels[PICKLE] = "1"
        with self._asking(pin.task) as client:
            parent = _task_run(client, request, caller) if caller else None
            with _pinned_to(pin):
                run = client.create_flow_run_from_deployment(
                    UUID(pin.id),
                    parameters=dict(request.parameters),
                    name=request.name,
                    tags=[*request.tags, f"image:{pin.image.partition('@sha256:')[2][:12]}"],
                    idempotency_key=request.key,
                    parent_task_run_id=parent,
                    job_variables=dict(request.job_variables) or None,
                    labels=labels,
                )
        logger_of_call().info("Docker task %s: flow run %r", pin.task, run.name)
        return begun(pin.task, run)

    def end_of(self, run: Begun, request: Request, patience: float) -> Future[Ended]:
        """As Runs.end_of."""
        return self._waiter.end_of(UUID(run.id), request.pinned.pin.task, patience)

    def cancel(self, run: str, why: str) -> None:
        """As Runs.cancel."""
        from prefect.client.orchestration import get_client
        from prefect.states import Cancelling

        # A client of its own, also within a flow, whose settings say nothing of HTTP: whoever cancels does not wait
        # until others have made their runs, and many cancel at once.
        with get_client(httpx_settings={}, sync_client=True) as client:
            client.set_flow_run_state(UUID(run), Cancelling(message=why))

    @contextmanager
    def _asking(self, task: str) -> Iterator[SyncPrefectClient]:
        """The client, for this thread alone. Raises DockerTaskError for whatever the client raises."""
        with self._lock:
            try:
                if self._client is None:
                    self._client = self._connect()
                yield self._client
            except DockerTaskError:
                raise
            except Exception as error:
                raise ServerRefuses(
                    f"Docker task {task!r} cannot be called: the Prefect server is away or refuses: "
                    f"{type(error).__name__}: {error}",
                    task=task,
                ) from error


def prefect_place(environ: Mapping[str, str]) -> Place:
    """The server, and the target's result storage."""
    runs = PrefectRuns(environ)
    return Place(runs, runs, stuck.ServerAccounts(), lambda: open_storage(environ))


def begun(task: str, run: FlowRun) -> Begun:
    """What the server says of a run that was asked for."""
    state = run.state
    if state is None:
        return Begun(str(run.id))
    return Begun(str(run.id), Ended.of(task, run) if state.is_final() else None, state.is_cancelling())


@contextmanager
def _pinned_to(pin: Pin) -> Iterator[None]:
    """Raises NotPinned when the server does not know the deployment: Prefect tells of it in two ways."""
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        yield
    except (ObjectNotFound, PrefectHTTPStatusError) as error:
        if isinstance(error, PrefectHTTPStatusError) and error.response.status_code != 404:
            raise
        raise NotPinned(
            f"the deployment {pin.id} that Docker task {pin.task!r} is pinned to is gone: ship this flow again",
            task=pin.task,
        ) from error


def _read(client: SyncPrefectClient, pin: Pin) -> Pinned:
    with _pinned_to(pin):
        found = client.read_deployment(UUID(pin.id))
    image = (found.job_variables or {}).get("image")
    if image != pin.image:
        raise NotPinned(
            f"Docker task {pin.task!r} is pinned to {pin.image}, but somebody changed its deployment "
            f"{found.name} to {image}: ship this flow again",
            task=pin.task,
        )
    return Pinned(pin, found.parameter_openapi_schema or {})


def _task_run(client: SyncPrefectClient, request: Request, caller: Caller) -> UUID | None:
    """The task run that stands for the call in the caller's run, as Prefect's run_deployment makes one."""
    from prefect.client.schemas.objects import TaskRunResult
    from prefect.states import Pending
    from prefect.tasks import Task

    flow_run, task_run = caller.flow_run, caller.task_run
    inside = flow_run.id if flow_run else task_run.flow_run_id if task_run else None
    if inside is None:
        return None
    task: Any = Task(name=request.pinned.pin.task, fn=lambda: None)
    task.task_key = f"flowyard.docker_task.{request.pinned.pin.task}"
    is_around = task_run is not None and task_run.flow_run_id == inside
    inputs: dict[str, Any] = (
        {"__parents__": [TaskRunResult(id=task_run.id)]} if is_around and task_run else {}
    )
    made = client.create_task_run(
        task=task,
        flow_run_id=inside,
        dynamic_key=request.key or request.name,
        task_inputs=inputs,
        state=Pending(),
    )
    return made.id
