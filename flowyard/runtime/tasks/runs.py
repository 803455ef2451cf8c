"""What calls ask of wherever called flows are executed: a Prefect server, or the local engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks.callers import Caller
from flowyard.runtime.tasks.errors import ArgumentsRefused
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.pins import Pin
from flowyard.runtime.tasks.values import is_reference


class NotStarted(Exception):
    """Nothing has begun to execute the run for as long as was allowed."""


@dataclass(frozen=True)
class Pinned:
    """A flow that can be called, and the schema of its parameters."""

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
    """A run to be made."""

    pinned: Pinned
    parameters: Mapping[str, Any]
    key: str | None
    name: str
    tags: tuple[str, ...] = ()
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    pickle: bool = False


@dataclass(frozen=True)
class Begun:
    """A run that was made, or is taken up: `ended` when it has ended, `is_let_go` when somebody has cancelled it."""

    id: str
    ended: Ended | None = None
    is_let_go: bool = False


class Catalogue(Protocol):
    """Which flows can be called."""

    def pinned(self, task: str, deployment: str | None) -> Pinned:
        """What is called. Raises NotPinned."""
        ...


class Runs(Protocol):
    """Runs of called flows."""

    def begin(self, request: Request, caller: Caller | None) -> Begun:
        """The run of this request; the one that is there already under its key. Raises DockerTaskError."""
        ...

    def end_of(self, run: Begun, request: Request, patience: float) -> Future[Ended]:
        """How the run ends. Raises NotStarted when nothing has begun to execute it for `patience` seconds,
        LookupError when nobody knows the run any more. Whoever wants to know no longer cancels the future."""
        ...

    def cancel(self, run: str, why: str) -> None:
        """Ask for the run's cancellation, unless it has ended. It is not waited for."""
        ...


class Accounts(Protocol):
    """What else there is to say of a run."""

    def why_waiting(self, run: str) -> str:
        """For people: what holds it back, or that nobody knows."""
        ...

    def repeat_log(self, run: str, task: str) -> None:
        """The lines that it has logged, once more in the log of whoever called it. Raises nothing."""
        ...


@dataclass(frozen=True)
class Place:
    """Where called flows are executed, and how the storage of their values is opened. Raises StorageFailed."""

    catalogue: Catalogue
    runs: Runs
    accounts: Accounts
    open_storage: Callable[[], Storage]
