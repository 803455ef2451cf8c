"""Small projects of their own for the tests of the pipeline, all on one yard that is up for the whole session.

Every project has its own name and its own flows and shares the running services, so that tests stand beside
each other without waiting for services.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
from flowyard.building.pace import Pace
from flowyard.commands.opening import open_project
from flowyard.configuration.paths import LOCAL_FILE, REGISTRY_FILE
from flowyard.embedded.state import registry_host
from flowyard.images import ImageReference, PublishedImage
from flowyard.outcome import Outcome
from flowyard.pipeline import plan_flows, ship
from flowyard.ports import ContainerRegistry, PrefectApi
from flowyard.state_folder import STATE_FOLDER
from flowyard.values import Json
from flowyard.wiring import open_yard
from flowyard.yard import Yard
from tests.integration.yard import ROOT, RunningYard

PACE = Pace(2)
REGISTRY = """[project]
name = "{name}"

[defaults]
base = "python:3.13-slim"
include = ["shared"]

[targets.local]
registry = {registry}
work-pool = {{ name = "{pool}", type = "docker" }}
prefect = {prefect}
results = "{results}"
{settings}
"""
GREET = '''"""Made by a test."""

from prefect import flow


@flow
def {flow}(who: str = "world", times: int = 1) -> str:
    """Greet somebody, often."""
    return " ".join([f"Hello, {{who}}! {edition}"] * times)
'''


def greeting(flow: str, edition: str = "") -> str:
    """A flow.py without dependencies. Without `edition` its content is new, so that it has to be built."""
    return GREET.format(flow=flow, edition=edition or uuid.uuid4().hex)


@dataclass
class Asked:
    """A PrefectApi that notes each question and passes it on."""

    api: PrefectApi
    questions: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)

    def request(self, method: str, path: str, body: Json = None) -> Json:
        self.questions.append((method, path))
        self.bodies.append(body)
        return self.api.request(method, path, body)

    def sent(self, method: str, path: str) -> list[Json]:
        """The bodies of these requests."""
        noted = zip(self.questions, self.bodies, strict=True)
        return [body for question, body in noted if question == (method, path)]


@dataclass
class AskedRegistry:
    """A ContainerRegistry that notes each question and passes it on."""

    registry: ContainerRegistry
    questions: list[str] = field(default_factory=list)

    def find(self, reference: ImageReference) -> PublishedImage | None:
        self.questions.append(f"find {reference.repository.path}")
        return self.registry.find(reference)

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        self.questions.append(f"layer {image.repository.path}")
        return self.registry.last_layer_file(image, path)


@dataclass
class Builds:
    """An ImageBuilder that notes what is built and passes it on."""

    builder: ImageBuilder
    flows: list[str] = field(default_factory=list)

    def build(self, request: BuildRequest) -> BuiltImage:
        self.flows.append(request.flow)
        return self.builder.build(request)


@dataclass(frozen=True)
class Watched:
    """A yard whose questions to Prefect and to the container registry and whose builds are noted."""

    yard: Yard
    api: Asked
    registry: AskedRegistry
    builds: Builds


@dataclass(frozen=True)
class SmallProject:
    """A project in a folder of its own, to be shipped to the services of the session's yard."""

    root: Path
    name: str
    running: RunningYard

    @property
    def api(self) -> PrefectApi:
        return self.running.api

    @property
    def host(self) -> str:
        """The yard's container registry."""
        return registry_host(self.running.state)

    def write(self, path: str, text: str) -> None:
        """Write one file of the project."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def flow(self, name: str, source: str = "", settings: str = "") -> None:
        """Write a flow's folder: a new greeting where no source is given, a flow.toml where settings are."""
        self.write(f"flows/{name}/flow.py", source or greeting(name))
        if settings:
            self.settings(name, settings)

    def settings(self, name: str, settings: str) -> None:
        """Write a flow's flow.toml."""
        self.write(f"flows/{name}/flow.toml", settings)

    def registry(self, settings: str = "", **tables: str) -> None:
        """Write registry.toml: the yard's services, unless `registry` or `prefect` say otherwise."""
        target = self.running.target
        values = {
            "name": self.name,
            "pool": target.work_pool,
            "results": str(target.results),
            "registry": '{ type = "embedded" }',
            "prefect": '{ api = "embedded" }',
            "settings": settings,
        }
        self.write(REGISTRY_FILE, REGISTRY.format_map({**values, **tables}))

    def yard(self) -> Yard:
        """The files as they are now, and all that shipping them needs."""
        return open_yard(open_project(self.root), None, SilentProgress(), PACE)

    def watched(self) -> Watched:
        """As `yard`, and what it asks and builds is noted."""
        yard = self.yard()
        api, registry = Asked(yard.api), AskedRegistry(yard.registry)
        builds = Builds(yard.workshop.builder)
        workshop = replace(yard.workshop, builder=builds)
        return Watched(replace(yard, api=api, registry=registry, workshop=workshop), api, registry, builds)

    def ship(self, *names: str) -> dict[str, Outcome]:
        """Ship these flows, or all, in this process: the outcomes by flow."""
        return shipped(self.yard(), names)

    def shipped(self, *names: str) -> dict[str, str]:
        """Ship these flows, or all, without a failure: what was done to each."""
        outcomes = self.ship(*names)
        failed = {name: str(one.error) for name, one in outcomes.items() if one.error}
        assert not failed, failed  # in full: this module's assertions are not pytest's
        return {name: one.plan.action.value for name, one in outcomes.items()}

    def plan(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """What shipping everything would do, and why."""
        yard = self.yard()
        return {
            flow.name: (flow.action.value, flow.reasons)
            for flow in plan_flows(yard, yard.project.flows, whole=True).flows
        }

    def deployments(self) -> dict[str, dict[str, Any]]:
        """What Prefect holds of this project, by flow and deployment."""
        tagged = {"deployments": {"tags": {"all_": [f"flowyard:{self.name}"]}}}
        found = self.api.request("POST", "/deployments/filter", tagged)
        return {f"{item['labels']['flowyard.flow']}/{item['name']}": item for item in found}

    def deployment(self, flow: str, name: str = "default") -> dict[str, Any]:
        """One deployment as Prefect holds it, but what changes with every question of the worker."""
        found = self.deployments()[f"{flow}/{name}"]
        return {name: value for name, value in found.items() if name not in ("last_polled", "status")}

    def program(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the program in the project's folder to its end."""
        return subprocess.run(
            command(words),
            cwd=self.root,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def program_in_background(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the program in the project's folder."""
        return subprocess.Popen(
            command(words),
            cwd=self.root,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def shipped(yard: Yard, names: Sequence[str] = ()) -> dict[str, Outcome]:
    """Ship these flows of a yard, or all: the outcomes by flow."""
    flows = [flow for flow in yard.project.flows if not names or flow.name in names]
    return {outcome.plan.name: outcome for outcome in ship(yard, flows, whole=not names)}


def command(words: Sequence[str]) -> list[str]:
    """How the program is started."""
    return [sys.executable, "-m", "flowyard", *words]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the program: without any Prefect setting of the developer's, and with `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "PYTHONPATH": str(ROOT), **(changes or {})}


def fill(project: SmallProject) -> None:
    """Everything a project holds but its flows."""
    yard = project.running.project.root
    own = shutil.ignore_patterns("__pycache__")
    for folder in ("images", "shared"):
        shutil.copytree(yard / folder, project.root / folder, ignore=own)
    (project.root / "flows").mkdir()
    (project.root / STATE_FOLDER).mkdir()
    shutil.copy(yard / LOCAL_FILE, project.root)
    shutil.copy(yard / STATE_FOLDER / "services.json", project.root / STATE_FOLDER)
    project.registry()
