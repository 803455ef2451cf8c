"""`up` and `down` with the real services: what they start, what they survive, what they leave behind.

One state folder serves most tests, since `up` is idempotent: each calls it and starts from a running whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
import urllib3

from flowyard.embedded.process import MARK
from flowyard.embedded.services import UpOptions, down, up
from flowyard.embedded.state import EmbeddedState, Ports, Service, api_url, read_state, registry_host
from flowyard.errors import EngineError, PrefectError

BASE = "flowyard/base-python:3.13"
POOL = "embedded-test"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Said:
    """A progress that keeps what it was told."""

    lines: list[str] = field(default_factory=list)

    def step(self, flow: str, text: str) -> None:
        self.lines.append(f"{flow}: {text}")

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        self.lines.append(f"{flow}: {text}{' (failed)' if failed else ''}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def options(folder: Path) -> UpOptions:
    return UpOptions(folder, POOL, dict(os.environ), Ports(free_port(), free_port()))


def call(method: str, url: str, body: Any = None) -> Any:
    answer = urllib3.request(method, url, json=body, retries=False, timeout=10)
    assert answer.status < 300, (answer.status, answer.data)
    return json.loads(answer.data) if answer.data else None


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


def ours(folder: Path) -> list[str]:
    """The roles of all living processes that carry this state folder's mark."""
    found = []
    for running in psutil.process_iter():
        try:
            value = running.environ().get(MARK, "")
            if value.endswith(f":{folder.resolve()}") and running.status() != psutil.STATUS_ZOMBIE:
                found.append(value.partition(":")[0])
        except psutil.Error:
            continue
    return sorted(found)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def pid(service: Service | None) -> int:
    assert service is not None
    assert service.pid is not None
    return service.pid


def killed(service: Service | None) -> None:
    os.kill(pid(service), signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid(service))], timeout=5)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpOptions]:
    chosen = options(tmp_path_factory.mktemp("shared") / "state")
    yield chosen
    down(chosen.folder, Said(), delete_data=True)
    assert ours(chosen.folder) == []


@pytest.fixture
def own(tmp_path: Path) -> Iterator[UpOptions]:
    chosen = options(tmp_path / "state")
    yield chosen
    down(chosen.folder, Said(), delete_data=True)
    assert ours(chosen.folder) == []


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


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
from flowyard.embedded.services import UpOptions, up
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


@pytest.mark.parametrize("name", ["worker", "registry"])
def test_another_killed_service_is_started_again_alone(shared: UpOptions, name: str) -> None:
    before = up(shared, Said())
    killed(getattr(before, name))
    after = up(shared, Said())
    assert pid(getattr(after, name)) != pid(getattr(before, name))
    assert replace(after, **{name: getattr(before, name)}) == before


def test_a_pid_that_is_used_again_is_not_taken_for_the_service(shared: UpOptions) -> None:
    before = up(shared, Said())
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
        "String should match pattern '^[^/%&><]+$'"
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
    container = wait_for(lambda: engine.containers.list(filters={"label": label}))[0]
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


def _push_blob(host: str, content: bytes) -> str:
    began = urllib3.request("POST", f"http://{host}/v2/kept/blobs/uploads/", retries=False)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    where = began.headers["Location"]
    sent = urllib3.request("PUT", f"{where}&digest={digest}", body=content, retries=False)
    assert sent.status == 201, sent.data
    return f"http://{host}/v2/kept/blobs/{digest}"


def test_down_leaves_nothing_running_and_keeps_data_and_ports(shared: UpOptions) -> None:
    state = up(shared, Said())
    blob = _push_blob(registry_host(state), b"a layer")
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


def test_taken_ports_and_two_ups_at_once(own: UpOptions) -> None:
    with (
        socket.create_server(("127.0.0.1", own.ports.registry)),
        socket.create_server(("", own.ports.prefect)),
    ):
        code = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.integration.test_embedded import Said
from flowyard.embedded.services import UpOptions, up
from flowyard.embedded.state import Ports
said = Said()
state = up(UpOptions(Path({str(own.folder)!r}), {POOL!r}, dict(os.environ), {own.ports!r}), said)
print(state, *said.lines, sep="\\n")
"""
        both = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in "12"
        ]
        lines = [one.communicate(timeout=120)[0].splitlines() for one in both]
    assert lines[0][0] == lines[1][0] == str(read_state(own.folder))
    quick, worked = sorted((said[1:] for said in lines), key=len)
    assert quick == ["services: waiting for another `up` or `down` of this project"]
    chosen = read_state(own.folder).ports
    assert chosen is not None
    assert chosen.registry > own.ports.registry
    assert chosen.prefect > own.ports.prefect
    assert worked[0] == (
        f"registry: port {own.ports.registry} is taken; using {chosen.registry}, "
        f"ship again what named {own.ports.registry}"
    )
    assert ours(own.folder) == ["prefect", "registry", "worker"]


def test_an_up_that_fails_stops_what_it_started(own: UpOptions) -> None:
    with pytest.raises(PrefectError, match="reserved for internal use"):
        up(replace(own, work_pool="prefect-pool"), Said())
    assert ours(own.folder) == []
    assert read_state(own.folder) == EmbeddedState()


def _begun(own: UpOptions, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    code = f"""
import os
from pathlib import Path
from tests.integration.test_embedded import Said
from flowyard.embedded.services import UpOptions, up
from flowyard.embedded.state import Ports
up(UpOptions(Path({str(own.folder)!r}), {POOL!r}, dict(os.environ), {own.ports!r}), Said())
"""
    argv = [sys.executable, "-c", code]
    return subprocess.Popen(argv, cwd=ROOT, env=dict(environ), stderr=subprocess.PIPE, text=True)


def test_an_interrupted_up_stops_what_it_started(own: UpOptions) -> None:
    begun = _begun(own, own.environ)
    wait_for(lambda: ours(own.folder) == ["prefect", "registry"])
    begun.send_signal(signal.SIGINT)
    assert begun.communicate(timeout=30)[1].endswith("KeyboardInterrupt\n")
    assert ours(own.folder) == []


def test_down_finds_what_a_killed_up_had_started(own: UpOptions) -> None:
    begun = _begun(own, own.environ)
    wait_for(lambda: ours(own.folder) == ["prefect", "registry"])
    begun.kill()
    begun.communicate()
    assert ours(own.folder) == ["prefect", "registry"]
    down(own.folder, Said())
    assert ours(own.folder) == []


def test_without_an_engine_up_says_so_and_stops_what_it_started(own: UpOptions) -> None:
    begun = _begun(own, {**own.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"})
    printed = begun.communicate(timeout=60)[1]
    assert "flowyard.errors.EngineError: the Docker engine did not do what was asked: " in printed
    assert ours(own.folder) == []


def test_a_service_that_does_not_start_shows_the_end_of_its_log(own: UpOptions) -> None:
    (own.folder / "prefect" / "prefect.db").mkdir(parents=True)
    with pytest.raises(PrefectError) as caught:
        up(own, Said())
    assert "unable to open database file" in caught.value.message
    assert caught.value.log == own.folder / "logs" / "prefect.log"
    assert ours(own.folder) == []


def test_without_a_registry_program_or_image_the_error_says_what_to_do(own: UpOptions) -> None:
    no_program = {**own.environ, "PATH": "/nowhere"}
    with pytest.raises(EngineError) as caught:
        up(replace(own, environ=no_program, registry_image="t/absent:1"), Said())
    assert caught.value.hint == (
        "install the package docker-registry, or make the image t/absent:1 available to the engine"
    )
    with pytest.raises(EngineError, match="the program docker-registry is not on PATH"):
        up(replace(own, environ=no_program, registry="program"), Said())


@pytest.fixture(scope="module")
def registry_image(engine: docker.DockerClient) -> Iterator[str]:
    """An image like `registry:2`, made here because it cannot be pulled everywhere."""
    program = shutil.which("docker-registry")
    assert program is not None
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}},
        "http": {"addr": ":5000"},
    }
    files = {
        "usr/bin/docker-registry": Path(program).read_bytes(),
        "etc/config.yml": json.dumps(config).encode(),
    }
    container = engine.containers.create(BASE)
    container.put_archive("/", _archive(files))
    name = f"flowyard-test/registry:{os.getpid()}"
    repository, _, tag = name.partition(":")
    container.commit(repository, tag, conf={"Cmd": ["/usr/bin/docker-registry", "serve", "/etc/config.yml"]})
    container.remove()
    yield name
    engine.images.remove(name, force=True)


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_the_registry_in_a_container(
    own: UpOptions, engine: docker.DockerClient, registry_image: str
) -> None:
    chosen = replace(own, registry="container", registry_image=registry_image)
    state = up(chosen, Said())
    assert state.registry is not None
    assert state.registry.container is not None
    container = engine.containers.get(state.registry.container)
    assert container.ports["5000/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(own.ports.registry)}]
    assert up(chosen, Said()) == state
    blob = _push_blob(registry_host(state), b"in a volume")
    container.kill()
    assert up(chosen, Said()) == state
    assert urllib3.request("GET", blob).data == b"in a volume"
    assert urllib3.request("DELETE", blob).status == 202
    down(own.folder, Said(), delete_data=True)
    names = [one.name for one in engine.containers.list(all=True)] + [
        one.name for one in engine.volumes.list()
    ]
    assert state.registry.container not in names


def test_delete_data_leaves_an_empty_folder(own: UpOptions) -> None:
    up(own, Said())
    down(own.folder, Said(), delete_data=True)
    left = sorted(file.name for file in own.folder.rglob("*"))
    assert left == [".gitignore", "logs", "services.lock"]
