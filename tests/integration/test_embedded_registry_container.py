"""The embedded container registry where a container runs it, as on machines without the program."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import docker
import pytest
import urllib3

from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import registry_host
from tests.integration.embedded_services import (
    BASE,
    Said,
    push_blob,
    services_in,
)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[UpOptions]:
    with services_in(tmp_path) as chosen:
        yield chosen


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
    blob = push_blob(registry_host(state), b"in a volume")
    container.kill()
    assert up(chosen, Said()) == state
    assert urllib3.request("GET", blob).data == b"in a volume"
    assert urllib3.request("DELETE", blob).status == 202
    down(own.folder, Said(), delete_data=True)
    names = [one.name for one in engine.containers.list(all=True, ignore_removed=True)] + [
        one.name for one in engine.volumes.list()
    ]
    assert state.registry.container not in names
