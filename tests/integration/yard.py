"""A whole yard for tests: a copy of the project, its embedded services on free ports, its own result volume.

Everything has a name or a port of its own, so that it stands beside the developer's services and beside
another test run on the same engine; only BuildKit's cache is shared, which makes builds quick.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound, NotFound

from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.terminal import SilentProgress
from flowyard.building.pace import Pace
from flowyard.commands.opening import open_project
from flowyard.configuration.paths import LOCAL_FILE, REGISTRY_FILE
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import EmbeddedState, Ports, registry_host
from flowyard.images import ImageReference, Repository
from flowyard.ports import PrefectApi
from flowyard.runtime.names import PROJECT_LABEL
from flowyard.state_folder import STATE_FOLDER
from flowyard.target import Target
from flowyard.values import Project
from flowyard.wiring import open_yard
from flowyard.yard import Yard
from tests.integration.prefect_server import free_port

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = "flowyard/base-python"  # what scripts/base-image makes where no image can be pulled
PACE = Pace(2)


@dataclass(frozen=True)
class RunningYard:
    """A project in a folder of its own, and all that shipping it to its running services needs."""

    state: EmbeddedState
    yard: Yard

    @property
    def project(self) -> Project:
        return self.yard.project

    @property
    def target(self) -> Target:
        return self.yard.target

    @property
    def api(self) -> PrefectApi:
        return self.yard.api

    def reopened(self) -> RunningYard:
        """The same yard after its files were changed."""
        project = open_project(self.project.root)
        return RunningYard(self.state, open_yard(project, self.target.name, SilentProgress(), PACE))


@contextmanager
def running_yard(tmp: Path, flows: Sequence[str], database: str | None = None) -> Iterator[RunningYard]:
    """A yard in `tmp` with these flows of the repository, up and empty; nothing is left of it afterwards.

    `database` is what `up --database` would be given.
    """
    root = tmp / "project"
    volume = f"flowyard-test-{uuid.uuid4().hex[:12]}"
    _copy_project(root, flows, volume)
    project = open_project(root)
    pool = project.targets[project.default_target].work_pool
    folder = root / STATE_FOLDER
    silent = SilentProgress()
    ports = Ports(free_port(), free_port())
    state = up(UpOptions(folder, pool, os.environ, ports, database=database), silent)
    with ExitStack() as after:  # the last one first
        after.callback(_clean_engine, registry_host(state), volume)
        after.callback(down, folder, silent, delete_data=True)
        _write_local_settings(project, registry_host(state))
        yield RunningYard(state, open_yard(open_project(root), None, silent, PACE))


def _copy_project(root: Path, flows: Sequence[str], volume: str) -> None:
    own = shutil.ignore_patterns("__pycache__")
    for folder in ("images", "shared", *(f"flows/{flow}" for flow in flows)):
        shutil.copytree(ROOT / folder, root / folder, ignore=own)
    text, found = re.subn(r'"volume:[^"]*"', f'"volume:{volume}"', (ROOT / REGISTRY_FILE).read_text())
    assert found, "the targets' results are to go to the test's own volume"
    (root / REGISTRY_FILE).write_text(text)


def _write_local_settings(project: Project, host: str) -> None:
    names = sorted({flow.base.name for flow in project.flows})
    lines = ["[bases]", *(pushed_base(name, host) for name in names)]
    bundle = os.environ.get("SSL_CERT_FILE")
    if bundle:
        lines += ["[build-secrets]", f'ca = {{ file = "{bundle}" }}']
    (project.root / LOCAL_FILE).write_text("\n".join([*lines, ""]))


def pushed_base(name: str, host: str) -> str:
    """Push the base, or its stand-in, to a registry of the tests; the line that pins it there."""
    match = re.fullmatch(r"python:(3\.\d+)-slim", name)
    assert match, f"no stand-in is known for {name}"
    reference = ImageReference(Repository(host, "bases/python"), match[1])
    with closing(docker.from_env()) as engine:
        try:
            image = engine.images.get(f"{STAND_IN}:{match[1]}")
        except ImageNotFound:
            image = engine.images.pull(name)
        image.tag(str(reference.repository), match[1])
    # By the program: the package's push does not raise when it fails.
    subprocess.run(["docker", "push", "--quiet", str(reference)], check=True, capture_output=True)
    digest = OciRegistry().digest(reference)
    assert digest is not None
    return f'"{name}" = {{ reference = "{reference.repository}@{digest}", python = "{match[1]}" }}'


def _clean_engine(host: str, volume: str) -> None:
    """Remove what the yard left in the engine: containers on its volume, the volume, its images."""
    with closing(docker.from_env()) as engine:
        for container in engine.containers.list(all=True, filters={"volume": volume}, ignore_removed=True):
            with suppress(NotFound):
                container.remove(force=True)
        with suppress(NotFound):  # no run ever made it
            engine.volumes.get(volume).remove()
    remove_images(host)


def remove_nameless(project: str) -> None:
    """Remove a project's images whose name went to a later build."""
    with closing(docker.from_env()) as engine:
        for image in engine.api.images(filters={"dangling": True, "label": f"{PROJECT_LABEL}={project}"}):
            with suppress(ImageNotFound):
                engine.images.remove(image["Id"], force=True)


def remove_images(*hosts: str) -> None:
    """Remove the images that the engine holds under registries' names."""
    starts = tuple(f"{host}/" for host in hosts)
    with closing(docker.from_env()) as engine:
        for image in engine.api.images():  # not inspected one by one: others come and go meanwhile
            names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            for name in (name for name in names if name.startswith(starts)):
                with suppress(ImageNotFound):  # the last tag took the digest with it
                    engine.images.remove(name, force=True)
