"""What the tests of container registries share: a registry to ask, and ways to put images into it.

Apart from the fixtures, because pytest wants to be the first to import those.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.oci_address import Limits
from flowyard.values import Digest, ImageReference, Repository
from tests.fakes import FakeContainerRegistry
from tests.integration.images import Pusher, image
from tests.integration.registry_program import PASSWORD, USER
from tests.integration.token_server import Authority

Put = Callable[[ImageReference, Sequence[Mapping[str, bytes]], Mapping[str, str]], Digest]

QUICK = Limits(connect=2.0, read=5.0, total=3.0, tries=3, backoff=0.05)


@dataclass(frozen=True)
class Held:
    """A registry to test, how to put images into it, and the host it answers for."""

    registry: OciRegistry | FakeContainerRegistry
    put: Put
    host: str

    def reference(self, path: str, tag: str) -> ImageReference:
        return ImageReference(Repository(self.host, path), tag)


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
