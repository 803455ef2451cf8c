"""Runs Prefect's own program with its garbage collected apart: `quiet_prefect.py ARGUMENTS...`.

Collected in the event loop, it now and then stops a server on SQLite for a minute (docs/decisions/0027), which would
make any test slow, and none of them better. Needs nothing but the Prefect of its interpreter.
"""

from __future__ import annotations

import runpy
from pathlib import Path

OURS = Path(__file__).resolve().parents[2] / "flowyard" / "embedded" / "prefect_server.py"

if __name__ == "__main__":
    runpy.run_path(str(OURS))["collect_garbage_apart"]()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
