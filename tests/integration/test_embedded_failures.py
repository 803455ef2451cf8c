"""`up` where something is in its way: it says what, and stops whatever it had started."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from flowyard.embedded.addresses import ask
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import EmbeddedState, read_state
from flowyard.errors import EngineError, PrefectError
from tests.integration.embedded_services import (
    POOL,
    ROOT,
    Said,
    ours,
    services_in,
    wait_for,
)
from tests.integration.prefect_server import free_port


@pytest.fixture
def own(tmp_path: Path) -> Iterator[UpOptions]:
    with services_in(tmp_path) as chosen:
        yield chosen


def test_taken_ports_and_two_ups_at_once(own: UpOptions) -> None:
    with (
        socket.create_server(("127.0.0.1", own.ports.registry)),
        socket.create_server(("", own.ports.prefect)),
    ):
        code = f"""
import os
from pathlib import Path
from tests.integration.embedded_services import Said
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import up
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
    # Nothing was ever shipped to the port that is taken, so nothing has to be shipped again.
    assert worked[0] == f"registry: another program has port {own.ports.registry}; using {chosen.registry}"
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
from tests.integration.embedded_services import Said
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import up
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
    assert "flowyard.errors.EngineError: no Docker engine answers: " in printed
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


@pytest.mark.parametrize(
    ("statuses", "answer", "left"),
    [([503, 503, 200], (200, {"a": 1}), []), ([500, 200], (500, {"a": 1}), [200])],
)
def test_only_a_locked_database_is_asked_again(
    statuses: list[int], answer: tuple[int, object], left: list[int]
) -> None:
    class Scripted(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(statuses.pop(0))
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b'{"a": 1}')

    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as scripted:
        Thread(target=scripted.serve_forever, daemon=True).start()
        assert ask("POST", scripted.server_port, "/", {}) == answer
        scripted.shutdown()
    assert statuses == left


def test_nothing_on_the_port_is_status_zero() -> None:
    assert ask("GET", free_port(), "/") == (0, None)
