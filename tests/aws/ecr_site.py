"""Small projects that ship to ECR: the real pipeline, real pushes of tiny images, and a Prefect server in memory."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowyard.adapters.aws.ecr import EcrRegistry
from flowyard.adapters.aws.session import AwsSession
from flowyard.adapters.buildx import Buildx, SystemLineProcesses
from flowyard.adapters.log_folder import LogFolder
from flowyard.adapters.oci_address import Limits
from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
from flowyard.building.pace import Pace
from flowyard.images import Digest
from flowyard.ports import ContainerRegistry, LogFiles, Logins
from flowyard.render import DESCRIPTION
from flowyard.state_folder import STATE_FOLDER
from flowyard.target import EcrSettings
from flowyard.yard import Yard
from tests.fakes_builder import description_json
from tests.integration.images import Pusher, image
from tests.support import FLOW, lock, make_project
from tests.yard_site import Site, described

QUICK = Limits(connect=2.0, read=5.0, total=10.0, tries=4, backoff=0.1)
REGISTRY = """[project]
name = "acme"

[targets.local]
registry = {{ type = "ecr", region = "eu-west-1"{settings} }}
work-pool = {{ name = "pool", type = "docker" }}
prefect = {{ api = "{prefect}" }}
"""
NOWHERE = "http://prefect.example/api"  # a site has a server in memory
DOCKERFILE = f"""FROM scratch
COPY common /common
COPY content /content
COPY description.json /{DESCRIPTION}
"""


def content_of(request: BuildRequest) -> bytes:
    """What is of the flow itself in its image."""
    return b"".join(path.read_bytes() for path in sorted(request.context.rglob("flow.py")))


@dataclass(frozen=True)
class TinyImages:
    """An ImageBuilder that builds a few bytes from each context, and really pushes them.

    What makes an image of a flow large is not what these tests are about. The lowest layer is the same in all, as
    in images of flows on one base.
    """

    builder: ImageBuilder
    common: str

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        (request.context / "Dockerfile").write_text(DOCKERFILE)
        (request.context / "common").write_text(self.common)
        (request.context / "content").write_bytes(content_of(request))
        (request.context / "description.json").write_bytes(description_json(described(request.flow)))
        return self.builder.build(request)


@dataclass(frozen=True)
class PushedImages:
    """An ImageBuilder without an engine, for tests in which no push is the point: it makes the bytes itself."""

    registry: ContainerRegistry
    logins: Logins

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build. A tag that is there is left: it may be one that never moves."""
        held = self.registry.find(request.reference)
        digest = held.digest if held else self._pushed(request)
        return BuiltImage(request.flow, request.reference, digest, "sha256:id", 0.1, Path("log"), 0, 3)

    def _pushed(self, request: BuildRequest) -> Digest:
        login = self.logins.credentials(request.reference.repository.host)
        assert login is not None
        pair = base64.b64encode(f"{login.username}:{login.secret.reveal()}".encode()).decode()
        description = {DESCRIPTION: description_json(described(request.flow))}
        pusher = Pusher(f"Basic {pair}")
        try:
            return pusher.push(
                request.reference.repository,
                request.reference.tag,
                image([{"content": content_of(request)}, description]),
            )
        finally:
            pusher.close()


@dataclass
class EcrSite(Site):
    """A project whose registry is ECR. Pushes are the engine's, in `environ`, unless `engine` is False.

    `tries` is how often a call to the API is sent, `common` the content of the layer that all images share.
    """

    environ: Mapping[str, str] | None = None
    jobs: int = 2
    tries: int = 3
    engine: bool = True
    common: str = "common to all"

    @property
    def logs(self) -> LogFiles:
        return LogFolder(self.root / STATE_FOLDER)

    def yard(self) -> Yard:
        """As Site.yard, with the registry's client as new: nothing is remembered from ship to ship."""
        yard = super().yard()
        settings = yard.target.ecr
        assert isinstance(settings, EcrSettings)
        ecr = EcrRegistry(settings, AwsSession(settings.region, self.tries), QUICK)
        builder = self.pushing(ecr) if self.engine else PushedImages(ecr, ecr)
        workshop = replace(yard.workshop, builder=builder)
        return replace(yard, workshop=workshop, registry=ecr, repositories=ecr, pace=Pace(self.jobs))

    def pushing(self, logins: Logins) -> ImageBuilder:
        """The engine's builder."""
        environ = os.environ if self.environ is None else self.environ
        buildx = Buildx(SystemLineProcesses(), SilentProgress(), self.logs, environ, logins)
        return TinyImages(buildx, self.common)

    def labels(self) -> dict[str, str]:
        """The image that each deployment is registered with."""
        rows = self.server.deployments.values()
        return {row["labels"]["flowyard.flow"]: row["labels"]["flowyard.image"] for row in rows}


def ecr_site(
    root: Path, *flows: str, settings: str = "", edition: str = "", prefect: str = NOWHERE
) -> EcrSite:
    """A project with these flows, whose content is new with each edition."""
    files = {f"flows/{flow}/flow.py": f"{FLOW}# {flow} {edition}\n" for flow in flows}
    make_project(root, {**files, "registry.toml": REGISTRY.format(settings=settings, prefect=prefect)})
    if "hello" not in flows:
        shutil.rmtree(root / "flows/hello")
    lock(root)
    return EcrSite(root)
