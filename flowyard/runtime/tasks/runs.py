"""The flow runs of calls, in the Prefect server: made, looked at and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowyard.runtime.tasks.callers import Caller
from flowyard.runtime.tasks.errors import ArgumentsRefused, NotPinned
from flowyard.runtime.tasks.pins import Pin
from flowyard.runtime.tasks.values import is_reference

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

PARENT = "flowyard.parent"  # labels of a call's run: the run whose container called,
IMAGE = "flowyard.image"  # and the image it is pinned to


@dataclass(frozen=True)
class Pinned:
    """What the server says about a pin."""

    pin: Pin
    schema: Mapping[str, Any]

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, as Python would. Raises ArgumentsRefused."""
        properties: Mapping[str, Any] = self.schema.get("properties", {})
        names = sorted(properties, key=lambda name: properties[name].get("position", 0))
        task = self.pin.task
        if len(args) > len(names):
            raise ArgumentsRefused(
                f"{task}() takes {len(names)} arguments, {len(args)} were given", task=task
            )
        bound = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in bound:
                raise ArgumentsRefused(f"{task}() got argument {name!r} twice", task=task)
            if name not in properties:
                known = ", ".join(names) or "none"
                raise ArgumentsRefused(f"{task}() has no argument {name!r}; it has: {known}", task=task)
            bound[name] = value
        return bound

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Hold what is plain JSON against the called flow's own schema. Raises ArgumentsRefused."""
        from prefect.utilities.schema_tools.validation import ValidationError, validate

        stored = {name for name, each in arguments.items() if is_reference(each)}
        properties = {
            name: each for name, each in self.schema.get("properties", {}).items() if name not in stored
        }
        required = [name for name in self.schema.get("required", ()) if name not in stored]
        plain = {name: each for name, each in arguments.items() if name not in stored}
        schema = {**self.schema, "properties": properties, "required": required}
        try:
            validate(plain, schema, raise_on_error=True)
        except ValidationError as error:
            raise ArgumentsRefused(
                f"{self.pin.task}() refuses its arguments: {error}", task=self.pin.task
            ) from error


@dataclass(frozen=True)
class Request:
    """A flow run to be made."""

    pinned: Pinned
    parameters: Mapping[str, Any]
    key: str | None
    name: str
    tags: tuple[str, ...] = ()
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)


class Runs:
    """The server, asked by one thread at a time: writes at once are slower, and on SQLite collide."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: SyncPrefectClient | None = None
        self._pinned: dict[str, Pinned] = {}

    def pinned(self, pin: Pin) -> Pinned:
        """What the server says about a pin. Raises NotPinned when it is gone or was changed."""
        from prefect.exceptions import ObjectNotFound

        with self._asking() as client:
            if pin.id not in self._pinned:
                try:
                    found = client.read_deployment(UUID(pin.id))
                except ObjectNotFound as error:
                    raise NotPinned(
                        f"the deployment {pin.id} that Docker task {pin.task!r} is pinned to is gone: "
                        "ship this flow again",
                        task=pin.task,
                    ) from error
                image = (found.job_variables or {}).get("image")
                if image != pin.image:
                    raise NotPinned(
                        f"Docker task {pin.task!r} is pinned to {pin.image}, but somebody changed its deployment "
                        f"{found.name} to {image}: ship this flow again",
                        task=pin.task,
                    )
                self._pinned[pin.id] = Pinned(pin, found.parameter_openapi_schema or {})
            return self._pinned[pin.id]

    def create(self, request: Request, caller: Caller | None) -> FlowRun:
        """The flow run of this request; the one that is there already under its key."""
        pin = request.pinned.pin
        labels = {**request.labels, IMAGE: pin.image, **({PARENT: caller.root} if caller else {})}
        with self._asking() as client:
            parent = _task_run(client, request, caller) if caller else None
            return client.create_flow_run_from_deployment(
                UUID(pin.id),
                parameters=dict(request.parameters),
                name=request.name,
                tags=[*request.tags, f"image:{pin.image.partition('@sha256:')[2][:12]}"],
                idempotency_key=request.key,
                parent_task_run_id=parent,
                job_variables=dict(request.job_variables) or None,
                labels=labels,
            )

    @contextmanager
    def _asking(self) -> Iterator[SyncPrefectClient]:
        from prefect.client.orchestration import get_client

        with self._lock:
            if self._client is None:
                self._client = get_client(sync_client=True).__enter__()
            yield self._client


def cancel(run: UUID, why: str) -> None:
    """Ask for the run's cancellation, unless it has ended. It is not waited for."""
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelling

    # A client of its own: whoever cancels does not wait until others have made their runs.
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling(message=why))


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
