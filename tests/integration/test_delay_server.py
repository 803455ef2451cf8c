"""A run's delay as a real server tells it: its filters take our questions, and waiting for a slot is seen."""

from __future__ import annotations

import time
import uuid

import pytest

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.running.delay import measure
from flowyard.values import PrefectAddress

HELD = 2.5  # seconds; whoever is taken more quickly is not asked about slots


def test_a_run_that_waited_for_a_slot_of_its_work_pool(prefect_api: str) -> None:
    api = PrefectRest(PrefectAddress(prefect_api))
    name = f"delay {uuid.uuid4().hex[:8]}"
    api.request("POST", "/work_pools/", {"name": name, "type": "process", "concurrency_limit": 1})
    flow = api.request("POST", "/flows/", {"name": name})["id"]
    body = {"name": "one", "flow_id": flow, "work_pool_name": name, "entrypoint": "flow.py:one"}
    deployment = api.request("POST", "/deployments/", body)["id"]

    def triggered() -> str:
        path = f"/deployments/{deployment}/create_flow_run"
        return str(api.request("POST", path, {"state": {"type": "SCHEDULED"}})["id"])

    def enter(run: str, *states: str) -> None:
        for state in states:
            api.request("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})

    first = triggered()
    enter(first, "PENDING", "RUNNING")
    second = triggered()
    assert measure(api, second) is None
    time.sleep(HELD)
    enter(first, "COMPLETED")
    enter(second, "PENDING", "RUNNING")
    found = measure(api, second)
    assert found is not None
    assert [phase.name for phase in found.phases] == [
        "queue",
        "worker poll",
        "submission, pull, container start, Prefect's start, imports, engine",
    ]
    assert HELD < found.phases[0].seconds <= found.seconds
    assert found.phases[0].seconds + found.phases[1].seconds == pytest.approx(
        found.seconds - found.phases[2].seconds, abs=0.01
    )
    api.request("PATCH", f"/work_pools/{name}", {"concurrency_limit": None})
    without = measure(api, second)
    assert without is not None
    assert without.phases[0].seconds == 0.0
