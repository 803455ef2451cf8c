"""Which logger repeats the log of a called run."""

from __future__ import annotations

from typing import Any


def logger_of_call() -> Any:
    """The run's around this line; outside of any, Prefect's own."""
    from prefect.logging import get_logger, get_run_logger

    try:
        return get_run_logger()
    except RuntimeError:
        return get_logger("docker_task")
