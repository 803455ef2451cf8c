"""Turns result persistence on for a flow, and holds that no result is lost in silence.

Prefect 3.8 completes a run whose result it could not write, with a warning in its log, and the run's state then
names a result that is nowhere; and it reads results without a block of its server from files only. Both are in
functions of its engine, which are replaced here, for the versions this was tested with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowyard.runtime import codec
from flowyard.runtime.execute import TESTED
from flowyard.runtime.storage import folder_of, is_bucket

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.filesystems import WritableFileSystem

_MENDED = "_flowyard_mended"


class ResultNotWritten(Exception):
    """The flow returned, and its result could not be written to the result storage."""


def persisting(flow: Flow[..., Any], address: str) -> Flow[..., Any]:
    """`flow` with its result written below `address`, as far as the user's own choices leave that open.

    Raises ValueError when that is no address of a storage.
    """
    from prefect.serializers import JSONSerializer
    from prefect.settings.context import get_current_settings

    storage = _storage(address)
    _mend_prefect()
    if flow.persist_result is False:
        return flow
    settings = get_current_settings()
    chosen = settings.results.model_fields_set
    if flow.persist_result is None and not settings.results.persist_by_default:
        _keep_task_results_in_memory()
    if flow.result_storage is not None or "default_storage_block" in chosen:
        return flow.with_options(persist_result=True)
    serializer = flow.result_serializer
    if serializer is None and "default_serializer" not in chosen:
        serializer = JSONSerializer(jsonlib=codec.MODULE, object_encoder=None, object_decoder=None)
    ours = flow.with_options(persist_result=True, result_serializer=serializer)
    # Not an option above: Prefect accepts only blocks there that its server holds, and these need none.
    ours.result_storage = storage
    return ours


def _storage(address: str) -> WritableFileSystem:
    if is_bucket(address):
        from flowyard.runtime.result_block import ResultStorage

        return ResultStorage(address=address)
    from prefect.filesystems import LocalFileSystem

    return LocalFileSystem(basepath=str(folder_of(address)))


def _keep_task_results_in_memory() -> None:
    """Tasks inherit persistence from their flow; the user asked for none, so they keep Prefect's default."""
    from prefect.settings.context import get_current_settings

    tasks = get_current_settings().tasks
    if tasks.default_persist_result is None:
        tasks.default_persist_result = False


def _mend_prefect() -> None:
    """Replace the two functions, once. Another version of Prefect is left as it is."""
    import prefect
    from prefect import flow_engine
    from prefect.results import ResultStore

    engine: Any = flow_engine
    store: Any = ResultStore
    if prefect.__version__.rpartition(".")[0] in TESTED and not hasattr(engine, _MENDED):
        setattr(engine, _MENDED, True)
        engine.return_value_to_state = _failing(engine.return_value_to_state)
        store._from_metadata = classmethod(_finding(store._from_metadata.__func__))


def _failing(original: Any) -> Any:
    """As Prefect's, and raises ResultNotWritten where that would only warn."""

    async def return_value_to_state(retval: Any, result_store: Any, *args: Any, **options: Any) -> Any:
        from prefect.results import ResultRecord  # type: ignore[attr-defined]

        write = options.pop("write_result", False)
        state = await original(retval, result_store, *args, **options, write_result=False)
        if not write or retval is state.data or not isinstance(state.data, ResultRecord):
            return state
        try:
            await result_store.apersist_result_record(state.data)
        except Exception as error:
            text = f"the flow returned, but its result could not be written: {error}"
            if state.is_completed():
                raise ResultNotWritten(text) from error
            _say(text)  # a state that is not one of success stays what the flow made it
        return state

    return return_value_to_state


def _finding(original: Any) -> Any:
    """As Prefect's, and finds results by their whole address too."""

    async def from_metadata(store: Any, metadata: Any) -> Any:
        key = metadata.storage_key or ""
        if metadata.storage_block_id is not None or not is_bucket(key):
            return await original(store, metadata)
        whole_bucket = _storage("/".join(key.split("/")[:3]))
        return await store(result_storage=whole_bucket, serializer=metadata.serializer).aread(key)

    return from_metadata


def _say(text: str) -> None:
    from prefect.logging import get_run_logger

    get_run_logger().warning(text)
