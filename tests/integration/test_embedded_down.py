"""`down` with the real services: nothing runs any more, and nothing is lost unless asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
import urllib3

from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import EmbeddedState, Ports, api_url, read_state, registry_host
from tests.integration.embedded_services import (
    BASE,
    POOL,
    Said,
    call,
    listening,
    ours,
    push_blob,
    services_in,
    wait_for,
)
from tests.integration.prefect_server import free_port


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpOptions]:
    with services_in(tmp_path_factory.mktemp("shared")) as chosen:
        yield chosen


@pytest.fixture
def own(tmp_path: Path) -> Iterator[UpOptions]:
    with services_in(tmp_path) as chosen:
        yield chosen


def _started_run(api: str) -> str:
    """Trigger a run whose container only sleeps; returns the flow run's id."""
    flow = call("POST", f"{api}/flows/", {"name": "sleeper"})["id"]
    variables = {"image": BASE, "command": "sleep 600"}
    deployment = call(
        "POST",
        f"{api}/deployments/",
        {
            "name": "d",
            "flow_id": flow,
            "work_pool_name": POOL,
            "job_variables": variables,
            "entrypoint": "f.py:f",
        },
    )["id"]
    body = {"state": {"type": "SCHEDULED"}}
    return str(call("POST", f"{api}/deployments/{deployment}/create_flow_run", body)["id"])


def test_down_ends_the_runs_of_its_own_worker_only(shared: UpOptions, engine: docker.DockerClient) -> None:
    state = up(shared, Said())
    foreign = engine.containers.run(
        BASE, ["sleep", "600"], detach=True, labels={"io.prefect.worker-name": "else"}
    )
    run = _started_run(api_url(state))
    label = f"io.prefect.flow-run-id={run}"
    container = wait_for(lambda: engine.containers.list(filters={"label": label}, ignore_removed=True))[0]
    said = Said()
    try:
        down(shared.folder, said)
        container.reload()
        foreign.reload()
        assert (container.status, foreign.status) == ("exited", "running")
        assert "worker: stopped, and its running containers (1)" in said.lines
        settings = [one for one in container.attrs["Config"]["Env"] if re.match("PREFECT_[A-Z]", one)]
        assert settings == [f"PREFECT_API_URL={api_url(state)}"]
    finally:
        foreign.remove(force=True)
        container.remove(force=True)
    found = call("GET", f"{api_url(up(shared, Said()))}/flow_runs/{run}")
    assert found["state_type"] == "CRASHED"


def test_down_leaves_nothing_running_and_keeps_data_and_ports(shared: UpOptions) -> None:
    state = up(shared, Said())
    blob = push_blob(registry_host(state), b"a layer")
    pool = call("GET", f"{api_url(state)}/work_pools/{POOL}")["id"]
    down(shared.folder, Said())
    assert ours(shared.folder) == []
    assert state.ports is not None
    assert [listening(state.ports.registry), listening(state.ports.prefect)] == [False, False]
    assert read_state(shared.folder) == EmbeddedState(ports=state.ports)
    down(shared.folder, Said())
    again = up(replace(shared, ports=Ports(free_port(), free_port())), Said())
    assert again.ports == state.ports
    assert urllib3.request("GET", blob).data == b"a layer"
    assert call("GET", f"{api_url(again)}/work_pools/{POOL}")["id"] == pool
    assert urllib3.request("DELETE", blob).status == 202


def test_down_where_nothing_ever_was_does_nothing(tmp_path: Path) -> None:
    down(tmp_path / "never", Said(), delete_data=True)
    assert list(tmp_path.iterdir()) == []


def test_delete_data_leaves_an_empty_folder(own: UpOptions) -> None:
    up(own, Said())
    down(own.folder, Said(), delete_data=True)
    left = sorted(file.name for file in own.folder.rglob("*"))
    assert left == [".gitignore", "logs", "services.lock"]
