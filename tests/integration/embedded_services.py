"""State folders and questions for the tests of the embedded services.

A state folder can serve many tests, since `up` is idempotent: each calls it and starts from a running whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import urllib3

from flowyard.embedded.options import UpOptions
from flowyard.embedded.process import MARK
from flowyard.embedded.services import down
from flowyard.embedded.state import Ports, Service
from tests.integration.prefect_server import free_port

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


def options(folder: Path) -> UpOptions:
    return UpOptions(folder, POOL, dict(os.environ), Ports(free_port(), free_port()))


def call(method: str, url: str, body: Any = None) -> Any:
    locked = urllib3.Retry(total=8, allowed_methods=None, status_forcelist=(503,), backoff_factor=0.1)
    answer = urllib3.request(method, url, json=body, retries=locked, timeout=10)
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


def push_blob(host: str, content: bytes) -> str:
    began = urllib3.request("POST", f"http://{host}/v2/kept/blobs/uploads/", retries=False)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    where = began.headers["Location"]
    sent = urllib3.request("PUT", f"{where}&digest={digest}", body=content, retries=False)
    assert sent.status == 201, sent.data
    return f"http://{host}/v2/kept/blobs/{digest}"


@contextmanager
def services_in(folder: Path) -> Iterator[UpOptions]:
    """Options for a state folder in `folder`, of which nothing is left running."""
    chosen = options(folder / "state")
    try:
        yield chosen
    finally:
        down(chosen.folder, Said(), delete_data=True)
    assert ours(chosen.folder) == []
