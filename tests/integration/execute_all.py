"""A program inside an image: executes flow runs one after the other, as Prefect's engine does, in one process.

Its argument is a JSON list of `{"run", "flow", "settings"}`: the run's id, the flow's, and environment variables.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.logging.configuration import setup_logging

from flowyard.runtime import flows


def main() -> None:
    setup_logging()
    before = dict(os.environ)
    with get_client(sync_client=True) as client:
        for asked in json.loads(sys.argv[1]):
            os.environ.clear()
            os.environ.update({**before, **asked["settings"]})
            flow = getattr(flows, asked["flow"])
            ended: Any = run_flow(flow, flow_run=client.read_flow_run(asked["run"]), return_type="state")
            if flow.isasync:
                asyncio.run(ended)


if __name__ == "__main__":
    main()
