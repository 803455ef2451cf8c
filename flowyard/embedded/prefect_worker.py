"""Runs `prefect worker start` away from the caller's folder: `prefect_worker.py HOME ARGUMENT...`.

Prefect reads .env, prefect.toml and pyproject.toml of the working directory, and what a project says there
about its own Prefect must not reach the embedded worker.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence


def keep_settings_here() -> None:
    """Have the worker pass no setting of its own but the API's URL to the containers it starts.

    It passes on whatever was set. Its home is a folder of this machine, which no container has.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    for group in (settings, settings.worker, settings.server.ephemeral):
        group.model_fields_set.difference_update({"home", "query_seconds", "enabled"})


def main(arguments: Sequence[str]) -> None:
    """Change to the worker's folder and become Prefect's command line."""
    home, *rest = arguments
    os.chdir(home)
    keep_settings_here()
    sys.argv = ["prefect", "worker", "start", *rest]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
