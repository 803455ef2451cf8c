"""Who is measured: `flowyard` and, once per build backend, `prefect deploy`.

Each can be edited, put on another base and deployed, and then says which digest is really deployed: a
deployment that does not hold what the container registry holds is no result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import urllib3

from benchmarks.bases import pin
from benchmarks.environment import Environment
from benchmarks.site_folder import FLOW
from benchmarks.timing import BenchmarkFailed, Timed, timed
from flowyard.adapters.oci import OciRegistry
from flowyard.images import Digest, ImageReference, Repository


@dataclass(frozen=True, slots=True)
class Site:
    """What both sides share: registry host, Prefect API URL, installed programs and environment."""

    host: str
    api_url: str
    environment: Environment
    environ: Mapping[str, str]

    def deployment_image(self, flow: str, deployment: str) -> str:
        """The image that a deployment in Prefect would run."""
        url = f"{self.api_url}/deployments/name/{flow}/{deployment}"
        answer = urllib3.request("GET", url, retries=False, timeout=10)
        if answer.status != 200:
            raise BenchmarkFailed(f"Prefect answered {answer.status} for {flow}/{deployment}")
        return str(answer.json()["job_variables"]["image"])

    def digest(self, path: str, tag: str) -> Digest:
        """The manifest digest that the container registry has under a tag."""
        reference = ImageReference(Repository(self.host, path), tag)
        found = OciRegistry().digest(reference)
        if found is None:
            raise BenchmarkFailed(f"{reference} is deployed, but not in the registry")
        return found


class Contestant(Protocol):
    """One side."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        ...

    def edit(self, line: str) -> None:
        """Add one line to the flow's source."""
        ...

    def use_base(self, base: str) -> None:
        """Put the image on this base, `repository@digest`."""
        ...

    def deploy(self) -> Timed:
        """Run the command a user types. Raises BenchmarkFailed."""
        ...

    def deployed(self) -> Digest:
        """The manifest digest that is deployed. Raises BenchmarkFailed when it is not what it should be."""
        ...


class Ours:
    """`flowyard FLOW` in a copy of this repository."""

    name = "flowyard"

    def __init__(self, site: Site, folder: Path, flow: str = FLOW, deployment: str = "daily") -> None:
        self._site = site
        self.folder = folder
        self._flow = flow
        self._deployment = deployment

    def edit(self, line: str) -> None:
        """As Contestant.edit."""
        _append(self.folder / "flows" / self._flow / "flow.py", line)

    def use_base(self, base: str) -> None:
        """As Contestant.use_base."""
        pin(self.folder, base)

    def deploy(self) -> Timed:
        """As Contestant.deploy."""
        return self._run(self._flow)

    def deployed(self) -> Digest:
        """As Contestant.deployed: plan, Prefect and the container registry have to name one digest."""
        (planned,) = json.loads(self._run("plan", self._flow, "--json").output)["flows"]
        path = f"flows/{self._flow}"
        registered = self._site.deployment_image(self._flow, self._deployment)
        held = self._site.digest(path, planned["key"])
        expected: dict[str, Any] = {"action": "unchanged", "image": f"{self._site.host}/{path}@{held}"}
        found = {"action": planned["action"], "image": registered}
        if found != expected:
            raise BenchmarkFailed(f"{self.name}: {found} is deployed where {expected} should be")
        return held

    def _run(self, *words: str) -> Timed:
        argv = [self._site.environment.program("flowyard"), *words]
        return timed(argv, self.folder, self._site.environ)


class Peer:
    """`prefect deploy` with one of prefect-docker's build backends; the deployment is called like it."""

    def __init__(self, site: Site, folder: Path, backend: str) -> None:
        variables = {"PREFECT_API_URL": site.api_url, "PEER_REGISTRY": site.host}
        self._site = replace(site, environ={**site.environ, **variables})
        self.folder = folder
        self._backend = backend
        self._base = ""

    @property
    def name(self) -> str:
        """As Contestant.name."""
        return f"prefect deploy, {self._backend}"

    def edit(self, line: str) -> None:
        """As Contestant.edit."""
        _append(self.folder / "flows" / FLOW / "flow.py", line)

    def use_base(self, base: str) -> None:
        """As Contestant.use_base."""
        self._base = base

    def deploy(self) -> Timed:
        """As Contestant.deploy."""
        argv = [self._site.environment.program("prefect"), "--no-prompt", "deploy", "--name", self._backend]
        return timed(argv, self.folder, {**self._site.environ, "PEER_BASE": self._base})

    def deployed(self) -> Digest:
        """As Contestant.deployed; the peer registers a tag, so the digest is the registry's word alone."""
        path, tag = f"peer/{FLOW}-{self._backend}", "deployed"
        registered = self._site.deployment_image(FLOW, self._backend)
        if registered != f"{self._site.host}/{path}:{tag}":
            raise BenchmarkFailed(f"{self.name} registered {registered}")
        return self._site.digest(path, tag)


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
