"""Real builds: two at once of which one fails, a push whose digest the registry confirms, and Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import urllib3

from flowyard.adapters.builders import BuildxBuilders
from flowyard.adapters.buildx import Buildx, SystemLineProcesses
from flowyard.adapters.processes import SystemProcesses
from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest, BuiltImage
from flowyard.building.builders import Builder
from flowyard.building.layer_cache import LayerCache
from flowyard.building.pace import Pace
from flowyard.building.parallel import Done, Failed, run_parallel
from flowyard.errors import BuildFailed, EngineError
from flowyard.images import ImageReference, Repository
from flowyard.values import BuildSecret
from tests.integration.registry_program import running_registry

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Logs:
    folder: Path

    def path(self, flow: str) -> Path:
        return self.folder / f"{flow}.log"


def builder(folder: Path) -> Buildx:
    return Buildx(SystemLineProcesses(), SilentProgress(), Logs(folder), dict(os.environ))


def context(folder: Path, dockerfile: str) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "flow.py").write_text(f"# {time.time_ns()}\n")  # never cached: it was not there before
    return folder


def request(flow: str, folder: Path, host: str, push: bool = True) -> BuildRequest:
    return BuildRequest(flow, folder, ImageReference(Repository(host, f"flows/{flow}"), "1"), push=push)


def test_two_builds_at_once_one_of_which_fails(tmp_path: Path) -> None:
    good = context(tmp_path / "good", "FROM scratch\nCOPY flow.py /flow.py\n")
    bad = context(tmp_path / "bad", "FROM scratch AS check\nCOPY flow.py /\nCOPY missing.txt /\n")
    buildx = builder(tmp_path)
    with running_registry(tmp_path) as host:
        outcomes = run_parallel(
            [request("good", good, host), request("bad", bad, host)], buildx.build, Pace(2)
        )
        headers = _head(f"http://{host}/v2/flows/good/manifests/1")
        again = buildx.build(request("good", good, host))
    done, failed = outcomes
    assert isinstance(done, Done)
    assert isinstance(failed, Failed)
    assert str(done.value.digest) == headers["Docker-Content-Digest"]
    assert (done.value.cached_steps, done.value.steps) == (0, 1)
    assert (again.digest, again.cached_steps, again.steps) == (done.value.digest, 1, 1)
    assert isinstance(failed.error, BuildFailed)
    assert failed.error.message.startswith("[3/3] COPY missing.txt / failed: ") or (
        failed.error.message.startswith("[2/2] COPY missing.txt / failed: ")
    )
    assert failed.error.hint.startswith("the file is not in the build context")
    assert "COPY missing.txt" in (tmp_path / "bad.log").read_text()
    _remove(done.value)


def test_a_registry_that_is_not_there_fails_the_push_at_once(tmp_path: Path) -> None:
    folder = context(tmp_path / "etl", "FROM scratch\nCOPY flow.py /flow.py\n")
    with pytest.raises(BuildFailed, match=r"pushing 127\.0\.0\.1:1/flows/etl:1 failed: ") as caught:
        builder(tmp_path).build(request("etl", folder, "127.0.0.1:1"))
    assert caught.value.hint.startswith("nothing answers at that address")
    subprocess.run(["docker", "image", "rm", "127.0.0.1:1/flows/etl:1"], check=True, capture_output=True)


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = context(tmp_path / "etl", "FROM scratch\nCOPY flow.py /flow.py\n")
    environ = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    buildx = Buildx(SystemLineProcesses(), SilentProgress(), Logs(tmp_path), environ)
    with pytest.raises(EngineError) as caught:
        buildx.build(request("etl", folder, "127.0.0.1:1"))
    assert caught.value.hint.startswith("start the Docker engine")


class Said(SilentProgress):
    """A Progress that keeps how flows ended."""

    def __init__(self) -> None:
        self.done_texts: list[str] = []

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        """As Progress.done."""
        self.done_texts.append(text)


def test_a_cache_that_is_not_there_fails_no_build_and_hides_no_failing_step(tmp_path: Path) -> None:
    """The engine's own builder reads caches, whatever it keeps images in."""
    dockerfile = "FROM scratch\nCOPY flow.py /flow.py\n"
    first, other = (context(tmp_path / name, dockerfile) for name in ("first", "other"))
    bad = context(tmp_path / "bad", f"{dockerfile}COPY missing.txt /\n")
    said = Said()
    buildx = Buildx(SystemLineProcesses(), said, Logs(tmp_path), dict(os.environ))
    unreachable = LayerCache("registry", "127.0.0.1:1/flows-cache:other", written=False)
    with running_registry(tmp_path) as host:
        unwritten = LayerCache("registry", f"{host}/flows-cache:first", written=False)
        built = [
            buildx.build(replace(request("first", first, host), cache=unwritten)),
            buildx.build(replace(request("other", other, host), cache=unreachable)),
        ]
        for image in built:
            _remove(image)
        with pytest.raises(BuildFailed, match=r"COPY missing\.txt / failed: "):
            buildx.build(replace(request("bad", bad, host), cache=unreachable))
    assert all(image.digest for image in built)
    assert re.fullmatch(r"built in \d+\.\d s, 0 of 1 steps cached", said.done_texts[0])
    assert "; a cache was no help: importing cache manifest from 127.0.0.1:1/" in said.done_texts[1]
    assert said.done_texts[2] == "build failed"


def test_builders_are_those_of_this_machine() -> None:
    builders = BuildxBuilders(SystemProcesses(), dict(os.environ))
    store = SystemProcesses().run(("docker", "info", "--format", "{{json .DriverStatus}}")).stdout
    assert builders.find("default") == Builder("default", plain="io.containerd.snapshotter" not in store)
    with pytest.raises(EngineError, match=r'there is no builder "flowyard-none" on this machine; .*default'):
        builders.find("flowyard-none")


def test_a_client_that_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot start flowyard-no-such-program"):
        SystemLineProcesses().run(("flowyard-no-such-program",), {}, print)


def test_a_secret_with_an_odd_path_reaches_buildx(tmp_path: Path) -> None:
    folder = context(tmp_path / "etl", "FROM scratch\nCOPY flow.py /flow.py\n")
    secret = tmp_path / 'a, "b"'
    secret.write_text("hidden value")
    wanted = BuildRequest(
        "etl",
        folder,
        ImageReference(Repository("127.0.0.1:1", "flows/odd"), "1"),
        secrets=(BuildSecret("odd", file=secret),),
    )
    built = builder(tmp_path).build(wanted)
    assert built.digest is None
    assert "hidden value" not in built.log.read_text()
    _remove(built)


def test_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    """A program of its own is interrupted while its children, which take ten minutes, still run."""
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\n"
        "from flowyard.adapters.buildx import SystemLineProcesses\n"
        "from flowyard.building.parallel import run_parallel\n"
        "from flowyard.building.pace import Pace\n"
        "processes = SystemLineProcesses()\n"
        "shell = ('sh', '-c', 'sleep 600 & echo ready >&2; wait')\n"
        "say = lambda line: os.write(1, line.encode() + b'\\n')\n"  # at once: two threads say it
        "run_parallel(range(5), lambda item: processes.run(shell, os.environ, say), Pace(2), processes.stop)\n"
    )
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    assert [program.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
    children = psutil.Process(program.pid).children(recursive=True)
    names = [child.name() for child in children]
    program.send_signal(signal.SIGINT)  # first of all: whatever fails below, nothing is left
    _, stderr = program.communicate(timeout=20)
    assert len(names) >= 4  # two shells and what each of them started
    assert stderr.splitlines()[-1] == b"flowyard.building.parallel.Stopped"
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_stopping_ends_a_real_build(tmp_path: Path) -> None:
    """The engine is asked for a base image that never answers, so the build would wait."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        folder = context(tmp_path / "etl", f"FROM {host}/base:1\n")
        processes = SystemLineProcesses()
        buildx = Buildx(processes, SilentProgress(), Logs(tmp_path), dict(os.environ))
        silent.settimeout(20)

        def stop_when_asked(wanted: BuildRequest | None) -> BuiltImage | None:
            if wanted is not None:
                return buildx.build(wanted)
            silent.accept()[0].settimeout(1)
            processes.stop()
            return None

        outcomes = run_parallel([request("etl", folder, host), None], stop_when_asked, Pace(2))
    failed = outcomes[0]
    assert isinstance(failed, Failed)
    assert str(failed.error) == "the build was stopped"
    mine = psutil.Process().children(recursive=True)
    assert [child for child in mine if child.name() in ("docker", "docker-buildx")] == []


def _head(url: str) -> urllib3.HTTPHeaderDict:
    with urllib3.PoolManager() as pool:
        answer = pool.request("HEAD", url, headers={"Accept": MANIFEST})
    assert answer.status == 200
    return answer.headers


def _remove(built: BuiltImage) -> None:
    """Leave no image of a test in the engine."""
    subprocess.run(["docker", "image", "rm", str(built.reference)], check=True, capture_output=True)
