"""A benchmark's own world: projects, environment, registry, Prefect server and bases, gone when it is left.

Everything has names and ports of its own, so that it stands beside a developer's services on one engine.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bases import Bases
from benchmarks.contestants import Contestant, Ours, Peer, Site
from benchmarks.engine_traces import remove_images, remove_volume
from benchmarks.environment import Environment, install, neutral
from benchmarks.site_folder import ROOT, SMALLEST, Folders, copy_projects
from flowyard.adapters.terminal import SilentProgress
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import EmbeddedState, Ports, api_url, registry_host
from flowyard.state_folder import STATE_FOLDER

BACKENDS = ("docker-py", "buildx")
_WORK_POOL = "local-docker"  # as in registry.toml


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case needs. `usual` is the base of everything but the cold rounds."""

    site: Site
    ours: Ours
    smallest: Ours
    peers: tuple[Peer, ...]
    bases: Bases
    usual: str

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """All sides, in the order in which they run."""
        return (self.ours, *self.peers)


@contextmanager
def opened(top: Path) -> Iterator[Bench]:
    """A bench in the empty folder `top`. Services, images and volume are removed at the end, come what may."""
    token = uuid.uuid4().hex[:12]
    folders = Folders(top)
    say("installing the environment, with bytecode")
    environment = install(top / "environment", ROOT)
    volume = f"flowyard-benchmark-{token}"
    copy_projects(folders, volume)
    state_folder = folders.ours / STATE_FOLDER
    options = UpOptions(state_folder, _WORK_POOL, os.environ, Ports(free_port(), free_port()))
    say("starting registry, Prefect server and worker")
    state = EmbeddedState()
    try:
        state = up(options, SilentProgress())
        bases = Bases(registry_host(state), token)
        yield _bench(folders, environment, state, bases)
    finally:
        say("stopping the services and removing the images")
        down(state_folder, SilentProgress(), delete_data=True)
        if state.registry is not None:
            remove_images(registry_host(state))
        remove_volume(volume)


def _bench(folders: Folders, environment: Environment, state: EmbeddedState, bases: Bases) -> Bench:
    environ = neutral(os.environ, folders.top / "prefect-home")
    site = Site(registry_host(state), api_url(state), environment, environ)
    usual = bases.usual()
    bench = Bench(
        site=site,
        ours=Ours(site, folders.ours),
        smallest=Ours(site, folders.ours, SMALLEST, "default"),
        peers=tuple(Peer(site, folders.peer, backend) for backend in BACKENDS),
        bases=bases,
        usual=usual,
    )
    for contestant in bench.contestants:
        contestant.use_base(usual)
    return bench


def say(text: str) -> None:
    """Progress goes to stderr; stdout is the table."""
    print(f"benchmark: {text}", file=sys.stderr, flush=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
