"""What a called run has logged, repeated in the log of its caller."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_LINES = 600  # of a run's log that are repeated
_PAGE = 200  # lines; more the server does not give at once
_LAST = "Finished in state"  # what Prefect's engine says at the end of a run
_LATE, _PAUSE = 6.0, 0.5  # seconds; Prefect sends what is logged every two


def logger_of_call() -> Any:
    """The run's around this line; outside of any, Prefect's own."""
    from prefect.logging import get_logger, get_run_logger

    try:
        return get_run_logger()
    except RuntimeError:
        return get_logger("docker_task")


def repeat_log(run: str, task: str) -> None:
    """Log what the run has logged, below the name of the task. Raises nothing: no value hangs on its log."""
    from prefect.client.orchestration import get_client

    logger = logger_of_call()
    try:
        with get_client(sync_client=True) as client:
            lines = whole_log(lambda: _lines(client, run))
    except Exception as error:  # whatever the client, the server or the answer did
        logger.warning("the log lines of %s could not be had: %s", task, error)
        return
    for line in lines:
        logger.log(line["level"], "%s | %s", task, line["message"])


def whole_log(
    read: Callable[[], list[dict[str, Any]]], pause: Callable[[float], object] = time.sleep
) -> list[dict[str, Any]]:
    """The log once its last line is there, which a run sends some seconds after its end; of a run that was killed,
    which has none, what is there after `_LATE` seconds."""
    for _ in range(int(_LATE / _PAUSE)):
        lines = read()
        if any(str(line["message"]).startswith(_LAST) for line in lines):
            return lines
        pause(_PAUSE)
    return read()


def _lines(client: SyncPrefectClient, run: str) -> list[dict[str, Any]]:
    body = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": _PAGE}
    found: list[dict[str, Any]] = []
    while len(found) < _LINES:
        page = client._client.post("/logs/filter", json={**body, "offset": len(found)}).json()
        found += page
        if len(page) < _PAGE:
            break
    return found
