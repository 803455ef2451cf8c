"""What tests could leave behind on a machine: processes, containers, volumes, images, names of hosts.

Compared before and after a whole session, because a fixture that forgets something forgets to say so.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import docker
import psutil

from flowyard.runtime.names import PROJECT_LABEL
from flowyard.values import Json
from tests.aws.calls import ACCOUNT, OTHER
from tests.aws.host_names import Places

MARK = "FLOWYARD_TEST_SESSION"  # in the environment of every process that the session starts
PATIENCE = 60.0  # seconds; what was told to end may take a moment
# The registries of tests listen on loopback, or are in accounts that nobody has; what has other names may be
# somebody else's.
_OURS = re.compile(rf"^((127\.0\.0\.1|localhost):[0-9]+/|({ACCOUNT}|{OTHER})\.dkr|flowyard)")
_MACHINE = Places()


@dataclass(frozen=True)
class Machine:
    """What there is, each by a text that names it."""

    processes: frozenset[str]
    containers: frozenset[str]
    volumes: frozenset[str]
    images: frozenset[str]
    hosts: frozenset[str]

    def beyond(self, before: Machine) -> tuple[str, ...]:
        """What is here and was not there before."""
        return (
            *(f"process {one}" for one in sorted(self.processes - before.processes)),
            *(f"container {one}" for one in sorted(self.containers - before.containers)),
            *(f"volume {one}" for one in sorted(self.volumes - before.volumes)),
            *(f"image {one}" for one in sorted(self.images - before.images)),
            *(f"host {one}" for one in sorted(self.hosts - before.hosts)),
        )


def look(session: str, places: Places = _MACHINE) -> Machine:
    """The machine now; of processes only those of this session, and with them the ports they listen on. So with
    the names it gave to hosts."""
    with closing(docker.from_env()) as engine:
        images = [name for image in engine.api.images() for name in names_of(image)]
        containers = [one for one in engine.api.containers(all=True) if _OURS.match(one["Image"])]
        volumes = [one["Name"] for one in engine.api.volumes()["Volumes"] or ()]
        return Machine(
            processes=frozenset(_processes(session)),
            containers=frozenset(f"{one['Image']} {one['Id']}" for one in containers),
            volumes=frozenset(name for name in volumes if _OURS.match(name)),
            images=frozenset(name for name in images if _OURS.match(name)),
            hosts=frozenset(line for line in places.marked() if session in line),
        )


def names_of(image: Json) -> list[str]:
    """What an image is called; of one that has lost its name, the project of tests that it was built for."""
    project = (image["Labels"] or {}).get(PROJECT_LABEL, "")
    nameless = [f"flowyard project {project} {image['Id']}"] if project.startswith("test-") else []
    return image["RepoTags"] or nameless


def _processes(session: str) -> Iterator[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.pid != os.getpid() and process.environ().get(MARK) == session
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                yield f"{process.pid} {' '.join(process.cmdline())}"


@contextmanager
def watched() -> Iterator[list[str]]:
    """Marks what is started inside; afterwards the list holds what is still there of it."""
    os.environ[MARK] = session = uuid.uuid4().hex
    before, left = look(session), list[str]()
    try:
        yield left
    finally:
        del os.environ[MARK]
        deadline = time.monotonic() + PATIENCE
        while (found := look(session).beyond(before)) and time.monotonic() < deadline:
            time.sleep(0.5)
        left += found
