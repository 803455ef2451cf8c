"""Pushes to ECR by the engine: logins that end, tags that do not move, shared layers, and the user's own Docker."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.errors import FlowyardError
from flowyard.images import Digest, ImageReference, Repository
from flowyard.render import DESCRIPTION
from flowyard.yard import Yard
from tests.aws.ecr_site import QUICK, EcrSite, ecr_site
from tests.aws.faults import Cut
from tests.aws.registry_front import RegistryFront
from tests.aws.registry_requests import Kind, Seen
from tests.fakes_builder import description_json
from tests.integration.images import Pusher, image
from tests.integration.registry_held import login
from tests.yard_site import Site, described

pytest_plugins = ("tests.aws.fixtures",)

TWENTY = tuple(f"f{number}" for number in range(20))


def new(root: Path, *flows: str) -> EcrSite:
    """Flows whose images nobody has pushed yet."""
    return ecr_site(root, *flows, edition=uuid.uuid4().hex)


def errors(site: EcrSite) -> dict[str, FlowyardError]:
    return {name: one.error for name, one in site.ship().items() if one.error is not None}


def authorization(front: RegistryFront) -> str:
    return f"Basic {base64.b64encode(f'AWS:{front.api.ecr.tokens.issue()[0]}'.encode()).decode()}"


def test_a_token_that_ends_in_the_middle_of_twenty_flows_is_renewed(
    front: RegistryFront, tmp_path: Path
) -> None:
    site = new(tmp_path / "project", *TWENTY)
    site.jobs = 4
    ended: list[str] = []

    def end(request: Seen) -> None:
        pushed = sum(one.kind == "manifest.put" for one in front.requests)
        if not ended and pushed >= 8 and request.kind == "upload.put":
            ended.append(request.repository)  # a push that is half done
            front.api.ecr.tokens.expire()

    front.before = end
    assert errors(site) == {}
    assert len(ended) == 1
    held = {name: front.image(f"flows/{name}", key) for name, key in keys(site).items()}
    assert {name: f"{front.host}/flows/{name}@{one.image_digest}" for name, one in held.items() if one} == (
        site.labels()
    )
    assert set(site.labels()) == set(TWENTY)
    assert front.api.actions().count("ecr:GetAuthorizationToken") >= 2


def keys(site: EcrSite) -> dict[str, str]:
    """The content key of each flow."""
    rows = site.server.deployments.values()
    return {row["labels"]["flowyard.flow"]: row["labels"]["flowyard.key"] for row in rows}


class TestTagsThatDoNotMove:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html"""

    def push_first(self, front: RegistryFront) -> list[Digest]:
        """Let somebody else push the key's tag when our push begins; their digest."""
        pushed: list[Digest] = []

        def push(request: Seen) -> None:
            if request.kind == "upload.start" and not pushed and request.agent == "docker":
                pushed.append(Digest(f"sha256:{'0' * 64}"))  # their own push comes through here too
                tag = next(one.name for one in front.requests if one.kind == "manifest.get")
                reference = ImageReference(Repository(front.host, request.repository), tag)
                theirs = image([{"a": b"1"}, {DESCRIPTION: description_json(described("etl"))}])
                pushed[0] = Pusher(authorization(front)).push(reference.repository, tag, theirs)

        front.before = push
        return pushed

    def test_what_another_builder_pushed_first_is_what_everybody_uses(
        self, front: RegistryFront, tmp_path: Path
    ) -> None:
        site = new(tmp_path / "project", "etl")
        pushed = self.push_first(front)
        outcome = site.ship()["etl"]
        assert (outcome.error, outcome.image and outcome.image.digest) == (None, pushed[0])
        assert site.labels() == {"etl": f"{front.host}/flows/etl@{pushed[0]}"}

    def test_the_same_in_a_plain_registry(self, front: RegistryFront, tmp_path: Path) -> None:
        made(front, immutable=True)
        site = plain(front, tmp_path)
        pushed = self.push_first(front)
        outcome = site.ship()["etl"]
        assert (outcome.error, outcome.image and outcome.image.digest) == (None, pushed[0])

    def test_where_the_registry_does_not_tell_what_it_holds_it_is_an_error(
        self, front: RegistryFront, tmp_path: Path
    ) -> None:
        site = new(tmp_path / "project", "etl")
        self.push_first(front)
        front.fail("manifest.get", 500, nth=3, times=99, agent="flowyard")
        error = errors(site)["etl"]
        assert "cannot be overwritten because the tag is immutable" in error.message
        assert site.labels() == {}


def made(front: RegistryFront, *, immutable: bool) -> None:
    """The repository, made by hand."""
    mutability = "IMMUTABLE" if immutable else "MUTABLE"
    front.api.client("ecr").create_repository(repositoryName="flows/etl", imageTagMutability=mutability)


class PlainSite(EcrSite):
    """The same registry as any other that speaks OCI, with the login of Docker's configuration."""

    def yard(self) -> Yard:
        """As Site.yard."""
        yard = Site.yard(self)
        registry = OciRegistry(QUICK, self.environ or {})
        workshop = replace(yard.workshop, builder=self.pushing(registry))
        return replace(yard, workshop=workshop, registry=registry, repositories=registry)


def plain(front: RegistryFront, tmp_path: Path) -> PlainSite:
    """A project that names the registry's host, as type `oci` does."""
    root = new(tmp_path / "project", "etl").root
    url = f'type = "oci", url = "{front.host}/flows"'
    text = (root / "registry.toml").read_text().replace('type = "ecr", region = "eu-west-1"', url)
    (root / "registry.toml").write_text(text)
    folder = tmp_path / "docker"
    folder.mkdir()
    config = login(front.host, "AWS", front.api.ecr.tokens.issue()[0])
    (folder / "config.json").write_text(json.dumps(config))
    return PlainSite(root, environ={**os.environ, "DOCKER_CONFIG": str(folder)})


@pytest.mark.parametrize(
    ("kind", "fault", "immutable"),
    [
        ("ping", 429, True),
        ("manifest.put", 429, False),
        ("manifest.put", Cut.LOST, True),
        ("manifest.put", Cut.LOST, False),
        ("manifest.head", 500, True),
    ],
)
def test_a_push_to_a_plain_registry_survives_the_same(
    front: RegistryFront, tmp_path: Path, kind: Kind, fault: int | Cut, immutable: bool
) -> None:
    made(front, immutable=immutable)
    site = plain(front, tmp_path)
    planned = front.fail(kind, fault, agent="docker")
    outcome = site.ship()["etl"]
    assert (outcome.error, planned.happened) == (None, 1)
    assert outcome.plan.desired is not None
    held = front.image("flows/etl", outcome.plan.desired.key)
    assert held is not None
    assert site.labels() == {"etl": f"{front.host}/flows/etl@{held.image_digest}"}


@pytest.mark.parametrize("mounting", [True, False])
def test_a_layer_that_flows_share_is_uploaded_once_where_the_account_allows_it(
    front: RegistryFront, tmp_path: Path, mounting: bool
) -> None:
    front.mounting = mounting
    noise = random.randbytes(300_000).hex()
    for flow in ("a", "b"):  # two ships, each with a token of its own
        site = new(tmp_path / flow, flow)
        site.common = noise
        assert errors(site) == {}
    assert front.uploaded["flows/a"] > 300_000
    assert (front.uploaded["flows/b"] > 300_000) is not mounting


class TestTheUsersDocker:
    """Its contexts, builders and other logins count, and its files stay as they are."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A user's Docker folder with a context in use, and a login to another registry."""
        folder = tmp_path / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(login("ghcr.io", "me", "correct horse")))
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        way = tmp_path / "engine.sock"
        way.symlink_to("/var/run/docker.sock")
        docker("context", "create", "mine", "--docker", f"host=unix://{way}")
        docker("context", "use", "mine")
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        return folder

    def test_nothing_secret_is_in_a_file_or_on_a_command_line_during_a_push(
        self, front: RegistryFront, tmp_path: Path, folder: Path
    ) -> None:
        site = new(tmp_path / "project", "etl")
        before = contents(folder)
        seen: dict[str, bytes] = {}
        lines: list[str] = []

        def look(request: Seen) -> None:
            if request.kind == "manifest.put":
                seen.update(contents(tmp_path / "temporary"))
                lines.extend(" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))

        front.before = look
        assert errors(site) == {}
        tokens = {one.login[1] for one in front.requests if one.login[1]}
        assert len(tokens) == 1
        secrets = [*tokens, "correct horse", *(base64_of(f"AWS:{token}") for token in tokens)]
        secrets += [base64_of("me:correct horse")]
        assert [secret for secret in secrets for text in seen.values() if secret.encode() in text] == []
        assert [line for secret in secrets for line in lines if secret in line] == []
        own = [name for name in seen if "flowyard-docker-" in name]
        assert sorted(Path(name).name for name in own) == ["config.json", "docker-credential-flowyard"]
        assert any("buildx build" in line for line in lines)
        assert contents(tmp_path / "temporary") == {}
        assert {name: text for name, text in contents(folder).items() if "buildx/" not in name} == before

    def test_the_context_in_use_counts(self, front: RegistryFront, tmp_path: Path, folder: Path) -> None:
        assert errors(new(tmp_path / "project", "etl")) == {}
        (tmp_path / "engine.sock").unlink()  # the context's way to the engine
        assert "engine.sock" in errors(new(tmp_path / "other", "etl"))["etl"].message


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def contents(folder: Path) -> dict[str, bytes]:
    """What the files below a folder hold, links not followed."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
