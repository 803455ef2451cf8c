"""In the container of a call where nothing was shipped: the flow, called in the caller's own Prefect API."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from typing import Any

from flowyard.runtime.tasks.child import Keeper, called
from flowyard.runtime.tasks.storage import open_storage


def call_key(run: str) -> str:
    """Where a call is stored: flow, name, parameters and whether pickling is allowed."""
    return f"runs/{run}/call.json"


def state_key(run: str) -> str:
    """Where the flow's final state is stored: its type, name and message."""
    return f"runs/{run}/state.json"


def died_key(run: str) -> str:
    """Where the reason is stored for which the flow was killed."""
    return f"runs/{run}/died"


def main(arguments: list[str]) -> int:
    """Perform the call with this id."""
    from flowyard.runtime.flows import described

    (run,) = arguments
    storage = open_storage(os.environ)
    call = json.loads(storage.read(call_key(run)))
    keeper = Keeper(storage, run, lambda: bool(call["pickle"]))
    flow: Any = called(described(call["flow"]).with_options(flow_run_name=call["name"]), keeper)
    state = flow(**call["parameters"], return_state=True)
    if inspect.isawaitable(state):
        state = asyncio.run(_awaited(state))
    document = {"type": state.type.value, "name": state.name or "", "message": state.message or ""}
    storage.put(state_key(run), json.dumps(document).encode())
    return 0


async def _awaited(state: Any) -> Any:
    return await state


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
