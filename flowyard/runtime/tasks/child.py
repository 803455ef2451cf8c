"""The called side: a flow whose arguments come by reference, and whose value or exception the caller gets.

The value is stored before Prefect is told that the run is completed, and in place of Prefect's own result: what
cannot be stored fails the run, as its caller could not have it.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flowyard.runtime.marks import RUN
from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks.errors import ArgumentsRefused, ResultNotSerialisable, StorageFailed
from flowyard.runtime.tasks.exceptions import described
from flowyard.runtime.tasks.frames import CannotRead
from flowyard.runtime.tasks.storage import open_storage
from flowyard.runtime.tasks.trees import NotSerialisable
from flowyard.runtime.tasks.values import Values, values_of

if TYPE_CHECKING:
    from prefect import Flow

OUTCOME_FORMAT = 1
_RESULT = "the result"
PICKLE = "flowyard.pickle"  # label of the run: its caller allows a pickled value


def outcome_key(run: str) -> str:
    """Where the outcome of a flow run is stored."""
    return f"runs/{run}/outcome.json"


def called(flow: Flow[..., Any], keeper: Keeper | None = None) -> Flow[..., Any]:
    """`flow` as a Docker task's run executes it. Raises StorageFailed where there is no result storage."""
    if flow.isgenerator:
        raise TypeError(f"flow {flow.name} is a generator: a Docker task returns one value")
    keeper = keeper or Keeper(open_storage(os.environ), os.environ.get(RUN, ""), _is_labelled)
    ours = flow.with_options() if flow.persist_result else flow.with_options(persist_result=False)
    ours.fn = _kept_async(flow.fn, keeper) if flow.isasync else _kept(flow.fn, keeper)
    check = flow.validate_parameters if flow.should_validate_parameters else None

    def validate(parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return brought_in(parameters, values_of(keeper.storage, os.environ), check)
        except Exception as error:
            keeper.failed(error)
            raise

    # Called before the flow runs; the flow itself need not want its parameters checked.
    ours.should_validate_parameters = True
    ours.validate_parameters = validate  # type: ignore[method-assign]
    return ours


def brought_in(
    parameters: Mapping[str, Any], values: Values, check: Callable[[dict[str, Any]], dict[str, Any]] | None
) -> dict[str, Any]:
    """The parameters with the values they refer to, checked. Raises ArgumentsRefused, StorageFailed."""
    found = {}
    for name, each in parameters.items():
        try:
            found[name] = values.brought_in(each)
        except OSError as error:
            raise StorageFailed(
                f"argument {name!r} cannot be read from the result storage: {error}"
            ) from error
        except (CannotRead, ValueError, TypeError) as error:
            raise ArgumentsRefused(f"argument {name!r} {error}") from error
    if check is None:
        return found
    try:
        return check(found)
    except Exception as error:  # Prefect's and pydantic's own
        raise ArgumentsRefused(str(error)) from error


class Keeper:
    """Stores what came of the flow's function in this run, for the caller."""

    def __init__(self, storage: Storage, run: str, may_pickle: Callable[[], bool]) -> None:
        self.storage = storage
        self._run = run
        self._may_pickle = may_pickle

    def returned(self, value: Any) -> None:
        """Store a value. Raises ResultNotSerialisable, StorageFailed, BadSetting."""
        from prefect.client.schemas.objects import State

        if isinstance(value, State):
            if not value.is_completed():
                return  # the run ends as this state says
            value = value.data
        values = values_of(self.storage, os.environ)
        try:
            tree = values.tree(_resolved(value), _RESULT, pickle=self._may_pickle())
            document = _document({"value": tree})
            values.measured(document, tree, _RESULT)
        except NotSerialisable as error:
            raise ResultNotSerialisable(str(error)) from error
        except OSError as error:
            raise _not_stored(error) from error
        self._write(document)

    def failed(self, error: BaseException) -> None:
        """Store an exception, as far as it can be: Prefect is told of it anyway."""
        try:
            self._write(_document({"error": described(error)}))
        except StorageFailed:
            return

    def _write(self, document: bytes) -> None:
        try:
            self.storage.put(outcome_key(self._run), document)
        except OSError as error:
            raise _not_stored(error) from error


def _document(outcome: Mapping[str, Any]) -> bytes:
    return json.dumps({"flowyard": OUTCOME_FORMAT, **outcome}).encode()


def _not_stored(error: OSError) -> StorageFailed:
    return StorageFailed(f"the result cannot be stored: {error}")


def _kept(function: Callable[..., Any], keeper: Keeper) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            value = function(*args, **kwargs)
            keeper.returned(value)
        except Exception as error:
            keeper.failed(error)
            raise
        return value

    return run


def _kept_async(function: Callable[..., Any], keeper: Keeper) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        try:
            value = await function(*args, **kwargs)
            keeper.returned(value)
        except Exception as error:
            keeper.failed(error)
            raise
        return value

    return run


def _is_labelled() -> bool:
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return bool(run and run.labels.get(PICKLE))


def _resolved(value: Any) -> Any:
    """Futures of Prefect's tasks as their values, as Prefect does with what a flow returns."""
    from prefect.futures import PrefectFuture

    if isinstance(value, PrefectFuture):
        found = value.result()
        return found if not inspect.isawaitable(found) else value
    if type(value) in (list, tuple):
        return type(value)(_resolved(each) for each in value)
    return value
