"""Notes when a run's container came to which point, as log lines of the run, so that `run` can say where its
delay went.

Log lines, because Prefect sends them in the background: nothing waits for them. Their level is DEBUG and they
go to the API only. The logger's name says the point and the line's time when it was; nobody reads the text.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

from flowyard.runtime.names import START_LOGGER, STARTED

RUN = "PREFECT__FLOW_RUN_ID"


def record(point: str, text: str, at: float, run: str) -> logging.LogRecord:
    """The log record of flow run `run` that says it was at `point` at this time (seconds since the epoch)."""
    content = {"name": f"{START_LOGGER}{point}", "msg": text, "levelno": logging.DEBUG, "levelname": "DEBUG"}
    return logging.makeLogRecord({**content, "created": at, "flow_run_id": run})


def records_of_start(environ: Mapping[str, str], text: str) -> list[logging.LogRecord]:
    """What is known when the flow's import begins: the container's start, where start.py noted it, and now.

    Nothing outside of a flow run.
    """
    run = environ.get(RUN)
    if not run:
        return []
    begun = [record("importing", text, time.time(), run)]
    try:
        started = float(environ[STARTED])
    except (KeyError, ValueError):  # an entrypoint of the user's own
        return begun
    return [record("container", "the container's first program has started", started, run), *begun]


def note_import_begins(text: str) -> None:
    """Send the points up to the import of the flow to the run's log."""
    _send(records_of_start(os.environ, text))


def note_import_ended(text: str) -> None:
    """Send the end of the import to the run's log."""
    run = os.environ.get(RUN)
    _send([record("imported", text, time.time(), run)] if run else [])


def _send(records: list[logging.LogRecord]) -> None:
    if not records:
        return
    from prefect.logging.handlers import APILogHandler

    handler = APILogHandler()  # it reports its own errors on stderr, and obeys Prefect's logging settings
    for one in records:
        handler.emit(one)
