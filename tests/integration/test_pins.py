"""Pins as a real Prefect server keeps them, and as the fake does: found again, needed, removed."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.inputs import Inputs
from flowyard.outcome import Outcome
from flowyard.plan import Action, FlowPlan
from flowyard.ports import PrefectApi
from flowyard.register import Unit, register
from flowyard.registering.deployment import Marks
from flowyard.registering.live import deployments_by_flow
from flowyard.registering.pins import Pin, ensure_pins, pins_of
from flowyard.registering.pruning import Pins
from flowyard.releasing.holder import Holder
from flowyard.releasing.records import ReleaseRecord, append
from flowyard.shipping.pinning import Pinning
from flowyard.values import DeploymentSpec, Json, PrefectAddress
from tests.fakes_server import TEMPLATE, FakeServer
from tests.registration import IMAGE, TARGET, MemoryRecord
from tests.support import Described

RELEASE = "key1/spec1"


@pytest.fixture(params=["fake", "real"])
def api(request: pytest.FixtureRequest) -> PrefectApi:
    if request.param == "fake":
        return FakeServer()
    return PrefectRest(PrefectAddress(request.getfixturevalue("prefect_api")))


def put(api: PrefectApi, project: str, flow: str, release: str, calls: str = "") -> None:
    """Register a release of a flow: one deployment, with parameters and job variables."""
    key, spec = release.split("/")
    marks = Marks(project, "local", flow, key, spec, calls=calls)
    deployment = DeploymentSpec("default", "flow.py", parameters={"day": "monday"}, env={"A": "1"})
    unit = Unit(
        replace(TARGET, work_pool=project),
        (deployment,),
        IMAGE,
        Described({"day": {"type": "string"}}, f"{project}-{flow}").image(),
        marks,
    )
    register(api, unit, TEMPLATE, deployments_by_flow(api, project, "local").get(flow, ()), MemoryRecord())


def record(project: str, calls: Json) -> ReleaseRecord:
    return ReleaseRecord(
        *(project, "local", "caller", "k", "s", str(IMAGE), None, False, (), "ada"),
        inputs=Inputs(calls=calls),
    )


def test_a_pin_is_found_again_and_removed_when_nothing_names_it(api: PrefectApi) -> None:
    template = {"job_configuration": {"image": "{{ image }}"}, **TEMPLATE}
    project = f"pins-{uuid.uuid4().hex[:8]}"
    api.request("POST", "/work_pools/", {"name": project, "type": "docker", "base_job_template": template})
    put(api, project, "hello", RELEASE)
    live = deployments_by_flow(api, project, "local")["hello"]
    pinned = ensure_pins(api, "hello", RELEASE, live)
    assert ensure_pins(api, "hello", RELEASE, live) == pinned  # what the server shows is what it was given
    pin, pins = Pin(pinned["default"]["id"], "hello", RELEASE), Pins(api, project, "local")
    assert (pins_of(api, project, "local"), pins_of(api, project, "other")) == ([pin], [])
    assert "hello" in deployments_by_flow(api, project, "local")  # and the pin is none of its deployments

    put(api, project, "caller", "k/s1", json.dumps({"hello": RELEASE}))
    assert pins.unneeded() == []
    put(api, project, "caller", "k/s2", json.dumps({"hello": "key2/spec2"}))
    assert pins.unneeded() == [pin]
    append(api, record(project, {"hello": RELEASE}))
    assert pins.unneeded() == []
    for _ in range(20):
        append(api, record(project, {"hello": "key2/spec2"}))
    assert pins.unneeded() == [pin]
    if isinstance(api, PrefectRest):
        run = started(api, pin.id)
        assert pins.unneeded() == []
        finished: Json = {"state": {"type": "COMPLETED"}, "force": True}
        api.request("POST", f"/flow_runs/{run}/set_state", finished)

    (caller,) = deployments_by_flow(api, project, "local")["caller"]
    outcome = Outcome(FlowPlan("caller", Action.REMOVE, (), live=(caller,)))
    assert Pinning(pins, Holder()).pruned(api, [outcome]) == [outcome]
    assert pins_of(api, project, "local") == []
    assert set(deployments_by_flow(api, project, "local")) == {"hello", "caller"}


def started(api: PrefectApi, deployment: str) -> str:
    """A run of it that is being executed."""
    body: Json = {"state": {"type": "RUNNING"}}
    run = str(api.request("POST", f"/deployments/{deployment}/create_flow_run", body)["id"])
    api.request("POST", f"/flow_runs/{run}/set_state", {**body, "force": True})
    return run
