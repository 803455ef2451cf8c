"""What the tests of container registries share: a registry to ask, and ways to put images into it.

Apart from the fixtures, because pytest wants to be the first to import those.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.oci_address import Limits
from flowyard.images import Digest, ImageReference, Repository
from flowyard.ports import ContainerRegistry, ImageLayers, Repositories
from tests.fakes import FakeContainerRegistry
from tests.integration.images import Pusher, image
from tests.integration.registry_program import PASSWORD, USER
from tests.integration.token_server import Authority

Put = Callable[[ImageReference, Sequence[Mapping[str, bytes]], Mapping[str, str]], Digest]

QUICK = Limits(connect=2.0, read=5.0, total=3.0, tries=3, backoff=0.05)


class Registry(ContainerRegistry, Repositories, ImageLayers, Protocol):
    """What holds the contract."""


def same(repository: Repository) -> Repository:
    """For registries whose repositories are where the files say."""
    return repository


@dataclass(frozen=True)
class Held:
    """A registry to test, how to put images into it, the host it is asked for, and where a repository of that
    host really is. `bases` is the registry itself where it is a BaseImages too."""

    registry: Registry
    put: Put
    host: str
    real: Callable[[Repository], Repository] = same
    prefix: str = ""

    @property
    def repositories(self) -> Repositories:
        return self.registry

    @property
    def bases(self) -> OciRegistry | FakeContainerRegistry:
        assert isinstance(self.registry, OciRegistry | FakeContainerRegistry)
        return self.registry

    def reference(self, path: str, tag: str) -> ImageReference:
        return ImageReference(Repository(self.host, f"{self.prefix}{path}"), tag)

    def digest(self, reference: ImageReference) -> Digest | None:
        found = self.registry.find(reference)
        return None if found is None else found.digest


def docker_config(folder: Path, document: object) -> dict[str, str]:
    """An environment whose Docker configuration is `document`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(folder)}


def login(host: str, user: str, password: str) -> dict[str, object]:
    """What `docker login` writes without a credential helper."""
    return {"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}


def putting(pusher: Pusher) -> Put:
    def put(
        reference: ImageReference, layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str]
    ) -> Digest:
        return pusher.push(reference.repository, reference.tag, image(layers, env))

    return put


def basic_pusher() -> Pusher:
    return Pusher(f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}")


def token_pusher(authority: Authority, path: str) -> Pusher:
    access = [{"type": "repository", "name": path, "actions": ["pull", "push"]}]
    return Pusher(f"Bearer {authority.token(access)}")


def token_putting(authority: Authority) -> Put:
    def put(
        reference: ImageReference, layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str]
    ) -> Digest:
        return putting(token_pusher(authority, reference.repository.path))(reference, layers, env)

    return put
