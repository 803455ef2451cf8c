"""The check for leftovers sees each kind of them; without this it could be blind and nobody would notice."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import docker

from flowyard.runtime.names import PROJECT_LABEL
from tests.aws.host_names import Places, Wanted, give, put_back
from tests.integration.leftovers import MARK, look, names_of


def test_every_kind_is_seen(engine: docker.DockerClient, tmp_path: Path) -> None:
    session = uuid.uuid4().hex
    container = None

    def of_ours(left: tuple[str, ...]) -> list[str]:
        """Others may be at work beside this test; their containers and images are not its own."""
        marks = ("process ", session) if container is None else ("process ", session, container.id)
        return [one for one in left if any(mark in one for mark in marks)]

    places = Places(tmp_path)
    places.hosts.parent.mkdir()
    places.hosts.write_text("127.0.0.1 localhost\n")
    before = look(session, places)
    name = f"127.0.0.1:1/leftover-{session}"
    base = os.environ["FLOWYARD_TEST_BASE"]
    image = engine.images.get(base)
    volume = engine.volumes.create(f"flowyard-leftover-{session}")
    container = engine.containers.create(base, "true")
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, MARK: session}
    )
    try:
        image.tag(name, "1")
        give(Wanted("127.0.0.2", ("leftover.example",), (), tmp_path, session), places)
        left = of_ours(look(session, places).beyond(before))
    finally:
        process.kill()
        process.wait()
        container.remove()
        volume.remove()
        engine.images.remove(f"{name}:1")
        put_back(places)
    assert [one.split(" ")[0] for one in left] == ["process", "container", "volume", "image", "host"]
    assert of_ours(look(session, places).beyond(before)) == []


def test_an_image_that_lost_its_name_is_seen_by_its_project() -> None:
    lost = {"Id": "sha256:1", "RepoTags": None, "Labels": {PROJECT_LABEL: "test-1"}}
    assert names_of(lost) == ["flowyard project test-1 sha256:1"]
    assert names_of({**lost, "Labels": {PROJECT_LABEL: "acme"}}) == []
    assert names_of({**lost, "Labels": None}) == []
    assert names_of({**lost, "RepoTags": ["a:1"]}) == ["a:1"]
