"""The world of the benchmark of many flows: services behind counting proxies, and the repositories of each side."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from benchmarks.bases import Bases, pin
from benchmarks.bench import free_port, say
from benchmarks.engine_traces import remove_images, remove_volume
from benchmarks.environment import Environment, install, neutral
from benchmarks.scale_runs import images_that_run
from benchmarks.site_folder import PEER, ROOT, ca_bundle, make_repository
from benchmarks.timing import BenchmarkFailed, Timed, timed
from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.terminal import SilentProgress
from flowyard.embedded.options import UpOptions
from flowyard.embedded.services import down, up
from flowyard.embedded.state import EmbeddedState, Ports, api_url, registry_host
from flowyard.images import ImageReference, Repository, published
from tests.counting_proxy import Counter, counting_proxy
from tests.many_flows import Shape, flow_name, many_flows, names

PACKAGES = ("attrs", "idna", "toolz", "tabulate", "click", "six", "pyparsing", "packaging")
POOL = "local-docker"
_REGISTRY = """[project]
name = "{project}"

[targets.local]
registry = {{ type = "oci", url = "{registry}" }}
work-pool = {{ name = "{pool}", type = "docker" }}
prefect = {{ api = "http://{prefect}/api" }}
results = "volume:{volume}"
"""


def installable(number: int) -> str:
    """A dependency set that is there, small, and another for each number."""
    first, second = number % len(PACKAGES), (number // len(PACKAGES) + number + 1) % len(PACKAGES)
    return "".join(f"{PACKAGES[one]}\n" for one in sorted({first, second}))


@dataclass(frozen=True, slots=True)
class Site:
    """Services, their proxies, the installed programs and the base."""

    top: Path
    registry: Counter
    prefect: Counter
    environment: Environment
    bases: Bases
    usual: str

    @property
    def volume(self) -> str:
        """Where runs keep results."""
        return self.top.name

    @property
    def environ(self) -> Mapping[str, str]:
        """What both sides run in."""
        return neutral(os.environ, self.top / "prefect-home")

    def reset(self) -> None:
        """Count from here."""
        self.registry.reset()
        self.prefect.reset()


@contextmanager
def opened(top: Path, delay: float) -> Iterator[Site]:
    """The services, in the empty folder `top`; gone at the end, with their images."""
    say("installing the environment, with bytecode")
    environment = install(top / "environment", ROOT)
    state_folder = top / "services"
    options = UpOptions(state_folder, POOL, os.environ, Ports(free_port(), free_port()))
    say("starting registry, Prefect server and worker")
    state = EmbeddedState()
    hosts: list[str] = []
    try:
        state = up(options, SilentProgress())
        prefect = api_url(state).partition("://")[2].partition("/")[0]
        with counting_proxy(registry_host(state), delay) as one, counting_proxy(prefect, delay) as other:
            hosts.append(one.host)
            bases = Bases(one.host, top.name)
            yield Site(top, one, other, environment, bases, bases.usual())
    finally:
        say("stopping the services and removing the images")
        down(state_folder, SilentProgress(), delete_data=True)
        for host in hosts:
            remove_images(host)
        remove_volume(top.name)


class Ours:
    """Many flows, shipped with `flowyard`."""

    name = "flowyard"

    def __init__(self, site: Site, project: str, shape: Shape) -> None:
        self.site, self.shape, self.folder = site, shape, site.top / project
        shutil.copytree(ROOT / "images", self.folder / "images")
        shutil.copy(ROOT / ".gitignore", self.folder)
        fields = {"project": project, "pool": POOL, "volume": site.volume}
        text = _REGISTRY.format(
            registry=f"{site.registry.host}/{project}", prefect=site.prefect.host, **fields
        )
        write(self.folder, {**many_flows(shape), "registry.toml": text})
        self.use_base(site.usual)
        self._lock()
        make_repository(self.folder)

    def _lock(self) -> None:
        """Lock one flow of each dependency set; equal sets have equal locks."""
        flows, sets = names(self.shape), self.shape.dependency_sets
        self.run("lock", *flows[:sets])
        for number, name in enumerate(flows[sets:]):
            source = self.folder / f"flows/{flows[number % sets]}/requirements.lock"
            shutil.copy(source, self.folder / f"flows/{name}/requirements.lock")

    def use_base(self, base: str) -> None:
        """Put all images on this base."""
        pin(self.folder, base)

    def edit(self, path: str, line: str) -> None:
        """Add a line to a file."""
        with (self.folder / path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def run(self, *words: str) -> Timed:
        """A command of ours."""
        return timed([self.site.environment.program("flowyard"), *words], self.folder, self.site.environ)

    def deploy(self) -> Timed:
        """What a user types."""
        return self.run("ship")

    def check(self) -> None:
        """Raise BenchmarkFailed unless plan, Prefect and the container registry name one digest for each flow."""
        planned = json.loads(self.run("plan", "--json").output)["flows"]
        live = deployments(self.site.prefect.host, self.folder.name)
        for flow in planned:
            image = published(flow["image"])
            held = OciRegistry().digest(ImageReference(image.repository, flow["key"]))
            named = {one["job_variables"]["image"] for one in live.get(flow["flow"], ())}
            found = (flow["action"], held, named)
            if found != ("unchanged", image.digest, {str(image)}):
                raise BenchmarkFailed(f"{flow['flow']}: {found} where {image} should be")

    def check_run(self, number: int) -> None:
        """Raise BenchmarkFailed unless a run of this flow is of the very image that its deployment names."""
        flow = flow_name(number)
        found = deployments(self.site.prefect.host, self.folder.name)[flow]
        (deployment,) = (one for one in found if one["name"] == "daily")
        wanted = deployment["job_variables"]["image"]
        ran = images_that_run(self.site.prefect.host, deployment["id"])
        if wanted not in ran:
            raise BenchmarkFailed(f"{flow}: {sorted(ran)} ran where {wanted} should have")
        say(f"  a run of {flow} was of {wanted}")


def deployments(host: str, project: str) -> Mapping[str, list[Mapping[str, Any]]]:
    """The deployments of a project, by flow."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    asked = {"deployments": {"tags": {"all_": [f"flowyard:{project}"]}}, "sort": "CREATED_DESC", "limit": 200}
    for page in range(10):
        body = json.dumps({**asked, "offset": 200 * page})
        headers = {"content-type": "application/json"}
        rows: Any = urllib3.request(
            "POST", f"http://{host}/api/deployments/filter", body=body, headers=headers
        ).json()
        for row in rows:
            found.setdefault(row["labels"]["flowyard.flow"], []).append(row)
        if len(rows) < 200:
            break
    return found


class Peer:
    """The same flows with `prefect deploy --all`: buildx steps, one Dockerfile a flow."""

    name = "prefect deploy --all, buildx"

    def __init__(self, site: Site, ours: Ours) -> None:
        self.site, self.shape, self.folder = site, ours.shape, site.top / f"{ours.folder.name}-peer"
        self._base = site.usual
        for part in ("flows", "common"):
            shutil.copytree(ours.folder / part, self.folder / part)
        shutil.copytree(ours.folder / "images/locks", self.folder / "locks")
        shutil.copy(self.folder / "locks/prefect-3.13.lock", self.folder / "locks/prefect.lock")
        bundle = ca_bundle()
        (self.folder / "ca.pem").write_bytes(bundle.read_bytes() if bundle else b"")
        template = (PEER / "Dockerfile.buildx").read_text("utf-8")
        flows = names(self.shape)
        write(self.folder, {f"Dockerfile.{flow}": _dockerfile(template, flow) for flow in flows})
        write(self.folder, {"prefect.yaml": json.dumps(_prefect_yaml(site.registry.host, flows))})
        make_repository(self.folder)

    def use_base(self, base: str) -> None:
        """Put all images on this base."""
        self._base = base

    def deploy(self) -> Timed:
        """What a user types."""
        argv = [self.site.environment.program("prefect"), "--no-prompt", "deploy", "--all"]
        extra = {"PREFECT_API_URL": f"http://{self.site.prefect.host}/api", "PEER_BASE": self._base}
        return timed(argv, self.folder, {**self.site.environ, **extra})

    def check(self) -> None:
        """Raise BenchmarkFailed unless each deployment names the tag that was pushed, and the registry has it."""
        for flow in names(self.shape):
            named = flow.replace("_", "-")  # as Prefect calls a flow whose function has this name
            url = f"http://{self.site.prefect.host}/api/deployments/name/{named}/peer"
            image = str(urllib3.request("GET", url).json()["job_variables"]["image"])
            pushed = ImageReference(Repository(self.site.registry.host, f"peer/{flow}"), "deployed")
            if image != str(pushed) or OciRegistry().digest(pushed) is None:
                raise BenchmarkFailed(f"the peer registered {image} for {flow}")


def _dockerfile(template: str, flow: str) -> str:
    text = template.replace("locks/requirements.lock", f"flows/{flow}/requirements.lock")
    text = text.replace("COPY shared /opt/project/shared", "COPY common /opt/project/common")
    return text.replace("flows/etl", f"flows/{flow}")


def _prefect_yaml(host: str, flows: Sequence[str]) -> Mapping[str, Any]:
    def build(flow: str) -> Mapping[str, Any]:
        return {
            "id": "build-image",
            "requires": "prefect-docker",
            "build_backend": "buildx",
            "image_name": f"{host}/peer/{flow}",
            "tag": "deployed",
            "dockerfile": f"Dockerfile.{flow}",
            "pull": False,
            "push": True,
            "provenance": False,
            "build_args": {"BASE": "{{ $PEER_BASE }}"},
            "secrets": ["id=ca,src=ca.pem"],
            "labels": {"io.flowyard.benchmark": host},
        }

    def deployment(flow: str) -> Mapping[str, Any]:
        return {
            "name": "peer",
            "entrypoint": f"flows/{flow}/flow.py:{flow}",
            "work_pool": {"name": POOL, "job_variables": {"image": "{{ build-image.image }}"}},
            "build": [{"prefect_docker.deployments.steps.build_docker_image": build(flow)}],
        }

    stay = {"prefect.deployments.steps.set_working_directory": {"directory": "/opt/project"}}
    return {"name": "peer", "pull": [stay], "deployments": [deployment(flow) for flow in flows]}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def bake(file: Path) -> Timed:
    """Plain `docker buildx bake` of a file, pushed."""
    argv = ["docker", "buildx", "bake", "--push", "--provenance=false", "--file", str(file)]
    return timed(argv, file.parent, os.environ)
