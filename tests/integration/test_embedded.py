"""`up` with the real services: what it starts, who reaches it, and what a second `up` repairs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import docker
import psutil
import pytest
import urllib3

from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import api_url, read_state, registry_host
from flowyard.errors import PrefectError
from tests.integration.embedded_services import (
    BASE,
    POOL,
    ROOT,
    Said,
    call,
    killed,
    ours,
    pid,
    services_in,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpOptions]:
    with services_in(tmp_path_factory.mktemp("shared")) as chosen:
        yield chosen


def test_up_starts_all_three(shared: UpOptions) -> None:
    state = up(shared, Said())
    assert state == read_state(shared.folder)
    assert (state.ports, state.work_pool) == (shared.ports, POOL)
    assert ours(shared.folder) == ["prefect", "registry", "worker"]
    assert call("GET", f"http://{registry_host(state)}/v2/_catalog") == {"repositories": []}
    assert call("GET", f"{api_url(state)}/health") is True
    pool = call("GET", f"{api_url(state)}/work_pools/{POOL}")
    assert (pool["type"], pool["status"]) == ("docker", "READY")
    assert "container_create_kwargs" in pool["base_job_template"]["variables"]["properties"]


def test_the_template_of_the_pool_is_the_workers_own(shared: UpOptions) -> None:
    code = (
        "import json; from prefect_docker.worker import DockerWorker;"
        "print(json.dumps(DockerWorker.get_default_base_job_template()))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    pool = call("GET", f"{api_url(up(shared, Said()))}/work_pools/{POOL}")
    assert pool["base_job_template"] == json.loads(printed)


def test_a_second_up_changes_nothing_says_nothing_and_is_quick(shared: UpOptions) -> None:
    state, said = up(shared, Said()), Said()
    began = time.perf_counter()
    assert up(shared, said) == state
    assert time.perf_counter() - began < 0.3
    assert said.lines == []


def test_a_second_up_imports_neither_prefect_nor_docker(shared: UpOptions) -> None:
    up(shared, Said())
    code = f"""
import sys
from pathlib import Path
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import up
up(UpOptions(Path({str(shared.folder)!r}), {POOL!r}, {{}}), None)
print(sorted({{"prefect", "docker", "pydantic", "httpx"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_reading_the_state_imports_only_the_standard_library_and_ourselves() -> None:
    code = """
import sys
before = set(sys.modules)
import flowyard.embedded.state
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(names - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "['flowyard']\n"


def test_a_killed_server_is_started_again_alone_with_its_data(shared: UpOptions) -> None:
    before = up(shared, Said())
    pool = call("GET", f"{api_url(before)}/work_pools/{POOL}")["id"]
    killed(before.prefect)
    after = up(shared, Said())
    assert replace(after, prefect=before.prefect) == before
    assert pid(after.prefect) != pid(before.prefect)
    assert call("GET", f"{api_url(after)}/work_pools/{POOL}")["id"] == pool


def test_a_busy_database_is_said_before_a_lease_ends(shared: UpOptions) -> None:
    """Prefect's server lets a write on SQLite wait for a minute."""
    state = up(shared, Said())
    with closing(sqlite3.connect(shared.folder / "prefect/prefect.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = urllib3.request(
            "POST", f"{api_url(state)}/flows/", json={"name": "busy"}, retries=False, timeout=30
        )
        other.execute("ROLLBACK")
    assert answer.status == 503
    assert call("POST", f"{api_url(state)}/flows/", {"name": "busy"})["name"] == "busy"


def test_the_server_looks_at_a_schedule_without_listing_all_time_zones() -> None:
    """Prefect lists them each time, by walking through the files of their database."""
    lines = (
        "from flowyard.embedded.prefect_server import list_time_zones_once",
        "list_time_zones_once()",
        "import os",
        "from prefect.server.schemas.schedules import CronSchedule",
        "CronSchedule(cron='0 6 * * *', timezone='Europe/Berlin')",
        "os.walk = None",
        "CronSchedule(cron='0 7 * * *', timezone='Europe/Paris')",
        "try:",
        "    CronSchedule(cron='0 7 * * *', timezone='Nowhere')",
        "except ValueError as error:",
        "    assert 'Nowhere' in str(error)",
        "else:",
        "    raise AssertionError('a time zone that does not exist')",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


@pytest.mark.parametrize("name", ["worker", "registry"])
def test_another_killed_service_is_started_again_alone(shared: UpOptions, name: str) -> None:
    before = up(shared, Said())
    killed(getattr(before, name))
    after = up(shared, Said())
    assert pid(getattr(after, name)) != pid(getattr(before, name))
    assert replace(after, **{name: getattr(before, name)}) == before


def test_a_pid_that_is_used_again_is_not_taken_for_the_service(shared: UpOptions) -> None:
    before = up(shared, Said())
    time.sleep(2)  # a process that begins in the same moment is not told from the service
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        file = shared.folder / "services.json"
        value = json.loads(file.read_text())
        value["worker"]["pid"] = stranger.pid
        file.write_text(json.dumps(value))
        after = up(shared, Said())
        assert stranger.poll() is None
        assert pid(after.worker) not in (stranger.pid, pid(before.worker))
        assert ours(shared.folder) == ["prefect", "registry", "worker"]
    finally:
        stranger.kill()
        stranger.wait()


def test_a_deleted_work_pool_is_created_again_with_its_template(shared: UpOptions) -> None:
    url = f"{api_url(up(shared, Said()))}/work_pools/{POOL}"
    before = call("GET", url)
    call("DELETE", url)
    up(shared, Said())
    after = call("GET", url)
    assert after["id"] != before["id"]
    assert (after["type"], after["base_job_template"]) == ("docker", before["base_job_template"])


def test_another_work_pool_needs_another_worker_only(shared: UpOptions) -> None:
    before, pool = up(shared, Said()), "second pool ä"
    after = up(replace(shared, work_pool=pool), Said())
    assert (after.registry, after.prefect, after.work_pool) == (before.registry, before.prefect, pool)
    assert pid(after.worker) != pid(before.worker)
    assert ours(shared.folder) == ["prefect", "registry", "worker"]


def test_a_work_pool_of_another_type_is_refused(shared: UpOptions) -> None:
    state = up(shared, Said())
    call("POST", f"{api_url(state)}/work_pools/", {"name": "processes", "type": "process"})
    with pytest.raises(PrefectError, match="is of type 'process'; the embedded worker serves 'docker'"):
        up(replace(shared, work_pool="processes"), Said())
    again = up(shared, Said())
    assert (again.registry, again.prefect) == (state.registry, state.prefect)
    assert ours(shared.folder) == ["prefect", "registry", "worker"]


def test_a_name_the_server_refuses_is_said_with_its_reason(shared: UpOptions) -> None:
    with pytest.raises(PrefectError) as caught:
        up(replace(shared, work_pool="a/b"), Said())
    assert caught.value.message == (
        "the Prefect server answered 422 when asked for the work pool 'a/b': "
        "name: String should match pattern '^[^/%&><]+$'"
    )


def test_a_corrupt_state_file_is_said_and_replaced(shared: UpOptions) -> None:
    before, said = up(shared, Said()), Said()
    pool = call("GET", f"{api_url(before)}/work_pools/{POOL}")["id"]
    (shared.folder / "services.json").write_text('{"version"')
    after = up(shared, said)
    assert "services.json cannot be read" in said.lines[0]
    assert after.ports == before.ports
    assert ours(shared.folder) == ["prefect", "registry", "worker"]
    assert call("GET", f"{api_url(after)}/work_pools/{POOL}")["id"] == pool


def test_containers_on_a_network_of_their_own_reach_the_api(
    shared: UpOptions, engine: docker.DockerClient
) -> None:
    state = up(shared, Said())
    assert state.ports is not None
    url = f"http://host.docker.internal:{state.ports.prefect}/api/health"
    network = engine.networks.create(f"flowyard-test-{os.getpid()}")
    try:
        printed = engine.containers.run(
            BASE,
            ["python3", "-c", f"import urllib.request as u; print(u.urlopen({url!r}, timeout=5).read())"],
            network=network.name,
            extra_hosts={"host.docker.internal": "host-gateway"},
            remove=True,
        )
    finally:
        network.remove()
    assert printed == b"b'true'\n"


def test_nobody_else_can_connect(shared: UpOptions) -> None:
    state = up(shared, Said())
    bound = {
        (connection.laddr.ip, connection.laddr.port)
        for service in (state.registry, state.prefect)
        for connection in psutil.Process(pid(service)).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert state.ports is not None
    gateway = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    assert bound == {
        ("127.0.0.1", state.ports.registry),
        ("127.0.0.1", state.ports.prefect),
        (gateway, state.ports.prefect),
    }


def test_the_callers_prefect_settings_reach_no_service(shared: UpOptions) -> None:
    down(shared.folder, Said())
    environ = {
        **shared.environ,
        "PREFECT_API_KEY": "secret",
        "PREFECT_API_DATABASE_CONNECTION_URL": "nonsense",
    }
    state = up(replace(shared, environ=environ), Said())
    for service in (state.registry, state.prefect, state.worker):
        assert "PREFECT_API_KEY" not in psutil.Process(pid(service)).environ()
