"""Starts and stops the distribution's registry program on a free loopback port, with its data in memory.

The real program is what the client must agree with; it starts in a fraction of a second.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from flowyard.values import Json
from tests.integration.prefect_server import free_port
from tests.integration.token_server import ISSUER, SERVICE

USER, PASSWORD = "reader", "correct horse"
# The bcrypt hash of PASSWORD: the only kind of hash the program accepts.
HTPASSWD = f"{USER}:$2b$04$v02sG1Z051MgI15zbxSZNOMHJn7PP1OF.zLR6HRpAZTfNfbVgFo42\n"


@dataclass(frozen=True)
class Tls:
    """The address a registry listens on with TLS, and its certificate and key as files."""

    address: str
    certificate: Path
    key: Path


@contextmanager
def running_registry(folder: Path, auth: Json = None, tls: Tls | None = None) -> Iterator[str]:
    """A running registry, on loopback where `tls` names no other address; gives its host with port."""
    address = tls.address if tls else "127.0.0.1"
    program = shutil.which("docker-registry")
    if program is None:
        pytest.fail("docker-registry is not installed: apt-get install docker-registry")
    for _ in range(5):
        host = f"{address}:{free_port(address)}"
        process = _start(program, folder, {**_http(host, tls), **({"auth": auth} if auth else {})})
        if process is None:
            continue  # another program took the port in between
        try:
            yield host
        finally:
            process.terminate()
            process.wait(timeout=10)
        return
    pytest.fail(f"docker-registry did not start: {(folder / 'registry.log').read_text()[-2000:]}")


def basic_auth(folder: Path) -> Json:
    """The configuration of Basic authentication."""
    file = folder / "htpasswd"
    file.write_text(HTPASSWD)
    return {"htpasswd": {"realm": 'a "realm", with a comma', "path": str(file)}}


def token_auth(realm: str, certificate: Path) -> Json:
    """The configuration of token authentication."""
    return {
        "token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(certificate)}
    }


def _http(host: str, tls: Tls | None) -> dict[str, Json]:
    files = {"certificate": str(tls.certificate), "key": str(tls.key)} if tls else None
    return {"http": {"addr": host, "secret": "of the tests", **({"tls": files} if files else {})}}


def _start(program: str, folder: Path, settings: dict[str, Json]) -> subprocess.Popen[bytes] | None:
    """Start the program and wait until it listens; None when it ended instead."""
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"inmemory": {}},
        **settings,
    }
    host = settings["http"]["addr"]
    file = folder / "config.yml"
    file.write_text(json.dumps(config))  # JSON is YAML too
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(file)], stdout=log, stderr=log)
    until = time.monotonic() + 20
    with urllib3.PoolManager(retries=False, timeout=1.0) as pool:
        while time.monotonic() < until and process.poll() is None:
            try:
                pool.request("GET", f"http://{host}/v2/")  # one with TLS answers this with 400
            except urllib3.exceptions.HTTPError:
                time.sleep(0.02)
                continue
            time.sleep(0.05)  # a port that was taken ends the program only now
            return process if process.poll() is None else None
    process.kill()
    process.wait()
    return None
