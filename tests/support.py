"""Builders of small projects and of values, and the fakes that only the pipeline's own tests need."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowyard.adapters.processes import Finished
from flowyard.load import load
from flowyard.locking.locker import Locker
from flowyard.plan import Desired
from flowyard.planning.desired import want
from flowyard.registering.live import LiveDeployment
from flowyard.target import Target
from flowyard.values import FlowDescription, ImageDescription, Json, Project

REPOSITORY = Path(__file__).resolve().parent.parent
BASE_DIGEST = f"sha256:{'b' * 64}"
BASES = f"""[bases]
"python:3.12-slim" = {{ reference = "docker.io/library/python:3.12-slim@{BASE_DIGEST}", python = "3.12" }}
"python:3.13-slim" = {{ reference = "docker.io/library/python:3.13-slim@{BASE_DIGEST}", python = "3.13" }}
"""
REGISTRY = """[project]
name = "acme"

[targets.local]
registry = { type = "oci", url = "registry.example:5000" }
work-pool = { name = "pool", type = "docker" }
prefect = { api = "http://prefect.example/api" }
"""
IN_A_BUCKET = """
[targets.production]
registry = { type = "oci", url = "registry.example:5001" }
work-pool = { name = "other", type = "docker" }
prefect = { api = "http://other.example/api" }
results = "s3://acme-results/flows"
"""
FLOW = "from prefect import flow\n\n\n@flow\ndef hello(): ...\n"
MINIMAL: Mapping[str, str] = {
    "registry.toml": REGISTRY,
    "flows/hello/flow.py": FLOW,
    "images/bases.lock": BASES,
    "images/locks/prefect.in": "# what every image gets\nprefect>=3.8,<3.9\n",
    "images/locks/uv.in": "uv\n",
    "images/locks/storage-s3.in": "# for results in s3\nobstore\n",
}


def alive(rows: Iterable[Mapping[str, Json]]) -> tuple[LiveDeployment, ...]:
    """Those of the API's deployments that are ours."""
    return tuple(live for row in rows if (live := LiveDeployment.of(row)) is not None)


def write_files(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Write the files below `root`; None removes one. Returns `root`."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def make_project(root: Path, files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A project that loads: `MINIMAL` and the repository's own templates, changed by `files`."""
    for name in ("partials", "scripts"):
        shutil.copytree(REPOSITORY / "images" / name, root / "images" / name)
    shutil.copy(REPOSITORY / "images/Dockerfile.j2", root / "images")
    return write_files(write_files(root, MINIMAL), files or {})


class FakeUv:
    """`uv pip compile` without an index: every requirement gets version 1.0 and a hash of its text.

    Requirements that hold a word of `conflicts` cannot be resolved under a constraint; those that hold a
    word of `unknown` never.
    """

    def __init__(self, conflicts: Sequence[str] = (), unknown: Sequence[str] = ()) -> None:
        self.conflicts = tuple(conflicts)
        self.unknown = tuple(unknown)
        self.argv: list[tuple[str, ...]] = []
        self.sources: list[str] = []

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
        """As Processes.run."""
        assert env is None
        words = list(argv)
        self.argv.append(tuple(words))
        output, source = Path(words[words.index("--output-file") + 1]), Path(words[-1])
        text = source.read_text()
        self.sources.append(text)
        refused = (*self.unknown, *(self.conflicts if "--constraint" in words else ()))
        if any(word in text for word in refused):
            return Finished(1, "", f"error: No solution found in `{source}`\n  cause: x\n")
        lines = ["# a comment of uv's"]
        for line in text.splitlines():
            digest = hashlib.sha256(line.encode()).hexdigest()
            lines.append(f"{line.split('>')[0].split('=')[0]}==1.0 \\\n    --hash=sha256:{digest}")
        output.write_text("\n".join([*lines, ""]))
        return Finished(0, "", "")


def lock(root: Path, uv: FakeUv | None = None) -> None:
    """Make every lock of the project fresh."""
    locker = Locker(root, uv or FakeUv(), "uv")
    for flow in load(root).flows:
        locker.lock(flow)


def desire(root: Path, flow: str = "hello") -> Desired:
    """What the files want of one flow on the default target."""
    project = load(root)
    by_name = {one.name: one for one in project.flows}
    return want(project, by_name[flow], project.targets[project.default_target])


def target_of(project: Project) -> Target:
    """The project's default target."""
    return project.targets[project.default_target]


@dataclass(frozen=True)
class Described:
    """Builds descriptions of images whose flows have these parameters (name to JSON Schema)."""

    properties: Mapping[str, Json]
    name: str = "hello"

    def flow(self, requested: str = "flow.py") -> FlowDescription:
        """The description of one flow."""
        return FlowDescription(
            id=f"f_{self.name}",
            requested=requested,
            entrypoint=f"flow.py:{self.name}",
            name=self.name,
            description="Says hello.",
            parameter_schema={"type": "object", "title": "Parameters", "properties": dict(self.properties)},
        )

    def image(self, *requested: str) -> ImageDescription:
        """The description of an image with these entrypoints."""
        flows = tuple(self.flow(one) for one in requested or ("flow.py",))
        return ImageDescription(flows, "3.13.1", "3.8.8", {"prefect": "3.8.8"})
