"""A program for inside an image: executes flow runs as Prefect's engine does, and tells what the flows returned.

stdin: a JSON object, flow run id to flow id. stdout: flow run id to what the flow returned (what a generator
yielded, as a list), or to the error; and to each flow id the schema that Prefect itself makes, under `schemas`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.utilities.callables import parameter_schema

from flowyard.runtime import flows


async def collected(generator: Any) -> list[Any]:
    return [each async for each in generator]


def driven(flow: Any, returned: Any) -> Any:
    if flow.isgenerator:
        return asyncio.run(collected(returned)) if flow.isasync else list(returned)
    return asyncio.run(returned) if flow.isasync else returned


def call(flow: Any, run: Any) -> Any:
    try:
        return driven(flow, run_flow(flow, flow_run=run))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    asked: dict[str, str] = json.load(sys.stdin)
    results = os.dup(1)
    os.dup2(2, 1)  # what flows print is not the answer
    with get_client(sync_client=True) as client:
        returned = {
            run: call(getattr(flows, flow), client.read_flow_run(run))  # type: ignore[arg-type]
            for run, flow in asked.items()
        }
    schemas = {
        flow: parameter_schema(getattr(flows, flow).fn).model_dump(mode="json", exclude_unset=True)
        for flow in set(asked.values())
    }
    with os.fdopen(results, "w") as answer:
        json.dump({"returned": returned, "schemas": schemas}, answer)


if __name__ == "__main__":
    main()
