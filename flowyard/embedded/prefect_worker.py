"""Runs `prefect worker start` away from the caller's folder: `prefect_worker.py HOME ARGUMENT...`.

Prefect reads .env, prefect.toml and pyproject.toml of the working directory, and what a project says there
about its own Prefect must not reach the embedded worker.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Change to the worker's folder and become Prefect's command line."""
    home, *rest = arguments
    os.chdir(home)
    sys.argv = ["prefect", "worker", "start", *rest]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
