"""Builders by name and caches outside them: the whole command line, what is asked of buildx, what people are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flowyard.adapters.builders import BuildxBuilders
from flowyard.adapters.processes import Finished
from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest, BuiltImage, buildx_argv
from flowyard.building.builders import Builder, OnABuilder
from flowyard.building.layer_cache import LayerCache
from flowyard.building.workshop import Workshop, build_request
from flowyard.errors import EngineError
from flowyard.images import ImageReference, Repository
from flowyard.load import load
from flowyard.planning.desired import want
from flowyard.render import render
from tests.fakes_builder import NoBuilder
from tests.golden_files import GOLDEN, compare
from tests.support import lock, make_project, target_of, write_files

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OCI = 'type = "oci", url = "ghcr.io/acme", repository = "flows/{flow}"'
ON_ECR = 'type = "ecr", region = "eu-west-1"'
REGISTRY = 'cache = { type = "registry", repository = "flows-cache" }\n'
GITHUB = 'cache = { type = "gha" }\n'
JOB = {"ACTIONS_RUNTIME_TOKEN": "hidden", "ACTIONS_RESULTS_URL": "https://results.example/"}
NAMED = 'builder = "farm"\n'


@dataclass(frozen=True)
class Case:
    """A target's table `build`, and where it is built."""

    build: str = ""
    registry: str = OCI
    platforms: str = '["linux/amd64"]'
    push: str | None = "ghcr.io"
    environ: Mapping[str, str] | None = None
    plain: bool = False
    local: str = ""


CASES = {
    "default": Case(plain=True),
    "builder": Case(NAMED),
    "builder_of_this_machine": Case(f"{NAMED}{REGISTRY}", local='[build]\nbuilder = "mine"\ncache = false\n'),
    "registry": Case(f"{NAMED}{REGISTRY}"),
    "registry_only_built": Case(f"{NAMED}{REGISTRY}", push=None),
    "registry_on_plain_builder": Case(REGISTRY, plain=True),
    "ecr": Case(f"{NAMED}{REGISTRY}", ON_ECR, push=ECR),
    "ecr_only_built": Case(f"{NAMED}{REGISTRY}", ON_ECR, push=None),
    "ecr_as_oci": Case(f"{NAMED}{REGISTRY}", f'type = "oci", url = "{ECR}"', push=ECR),
    "gha": Case(f"{NAMED}{GITHUB}", environ=JOB),
    "gha_only_built": Case(f"{NAMED}{GITHUB}", environ=JOB, push=None),
    "gha_elsewhere": Case(f"{NAMED}{GITHUB}"),
    "gha_on_plain_builder": Case(GITHUB, environ=JOB, plain=True),
    "platforms": Case(NAMED, platforms='["linux/amd64", "linux/arm64"]'),
    "everything": Case(f"{NAMED}{REGISTRY}", platforms='["linux/amd64", "linux/arm64"]'),
}


class Kept:
    """An ImageBuilder that keeps what it is asked for."""

    def __init__(self) -> None:
        self.requests: list[BuildRequest] = []

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        self.requests.append(request)
        return BuiltImage(request.flow, request.reference, None, None, 0.1, Path("log"), 0, 1)


class Known:
    """Builders that are all alike, and count how often they are asked for."""

    def __init__(self, *, plain: bool = False, error: EngineError | None = None) -> None:
        self.asked: list[str | None] = []
        self._plain = plain
        self._error = error

    def find(self, name: str | None) -> Builder:
        """As Builders.find."""
        self.asked.append(name)
        if self._error is not None:
            raise self._error
        return Builder(name or "default", self._plain)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose targets are written by each case."""
    root = make_project(tmp_path_factory.mktemp("builders") / "project")
    lock(root)
    return root


def requested(root: Path, case: Case) -> BuildRequest:
    """What is asked of the builder for a case, from the files on."""
    text = (
        f'[project]\nname = "acme"\n[defaults]\nplatforms = {case.platforms}\n[targets.local]\n'
        f'registry = {{ {case.registry} }}\nwork-pool = {{ name = "pool", type = "docker" }}\n'
        f'prefect = {{ api = "http://prefect.example/api" }}\n[targets.local.build]\n{case.build}'
    )
    project = load(write_files(root, {"registry.toml": text, "registry.local.toml": case.local}))
    workshop = Workshop(
        project=project,
        target=target_of(project),
        render=render,
        builder=NoBuilder(),
        stop=lambda: None,
        progress=SilentProgress(),
        commit=lambda paths: None,
        contexts=root / "contexts",
    )
    desired = want(project, project.flows[0], workshop.target, render)
    push_to = Repository(case.push, "acme/flows/hello") if case.push else None
    request = build_request(workshop, desired, None, push_to=push_to)
    named = ImageReference(request.reference.repository, "KEY")
    kept = Kept()
    made = OnABuilder(kept, Known(plain=case.plain), case.environ or {})
    made.build(replace(request, context=Path("CONTEXT"), reference=named, labels={}))
    return kept.requests[0]


def test_the_whole_command_line(root: Path, request: pytest.FixtureRequest) -> None:
    found = {}
    for name, case in CASES.items():
        asked = requested(root, case)
        words = buildx_argv(asked, Path("METADATA"))
        found[f"{name}.txt"] = "\n".join((*words, *(f"# {note}" for note in asked.notes))) + "\n"
    compare(GOLDEN / "builders", found, update=bool(request.config.getoption("--update-golden")))
    assert "hidden" not in "".join(found.values())


def test_nothing_of_it_is_in_the_content_key_or_the_spec(root: Path) -> None:
    wanted = []
    for case in (Case(), Case(f"{NAMED}{REGISTRY}")):
        requested(root, case)
        project = load(root)
        wanted.append(want(project, project.flows[0], target_of(project), render))
    assert wanted[0].inputs == wanted[1].inputs
    assert (wanted[0].key, wanted[0].spec) == (wanted[1].key, wanted[1].spec)


REQUEST = BuildRequest("hello", Path("context"), ImageReference(Repository("r.example", "hello"), "key"))
CACHE = LayerCache("registry", "r.example/cache:hello")


def test_nothing_is_asked_for_what_every_builder_does() -> None:
    builders, kept = Known(), Kept()
    OnABuilder(kept, builders, {}).build(replace(REQUEST, platforms=("linux/arm64",)))
    OnABuilder(kept, builders, {}).build(replace(REQUEST, cache=LayerCache("gha", "flowyard-hello")))
    assert (builders.asked, len(kept.requests)) == ([], 2)


def test_a_builder_is_asked_for_once_by_builds_side_by_side() -> None:
    builders, kept = Known(), Kept()
    images = OnABuilder(kept, builders, {})
    requests = [replace(REQUEST, builder=name, cache=CACHE) for name in ("farm", None) * 4]
    threads = [threading.Thread(target=images.build, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(map(str, builders.asked)), len(kept.requests)) == (["None", "farm"], 8)


def test_a_builder_that_is_not_there_is_each_flows_error_and_asked_for_once() -> None:
    builders = Known(error=EngineError("there is none", hint="make one"))
    images = OnABuilder(NoBuilder(), builders, {})
    errors = []
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            images.build(replace(REQUEST, builder="farm"))
        errors.append(caught.value)
    assert [(error.message, error.hint) for error in errors] == [("there is none", "make one")] * 2
    assert (errors[0] is errors[1], builders.asked) == (False, ["farm"])


def test_several_platforms_on_a_builder_for_one_are_an_error_before_the_build() -> None:
    images = OnABuilder(NoBuilder(), Known(plain=True), {})
    with pytest.raises(EngineError) as caught:
        images.build(replace(REQUEST, platforms=("linux/amd64", "linux/arm64")))
    assert caught.value.message == (
        'builder "default" builds for one platform at a time, and flow hello is for linux/amd64 and linux/arm64'
    )
    assert "docs/builders.md" in caught.value.hint


# What buildx 0.13.1 printed.
OWN = """Name:          default
Driver:        docker
Last Activity: 2026-11-25 22:35:11 +0000 UTC

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.0.0+unknown
Platforms:        linux/amd64, linux/amd64/v2
"""
FARM = """Name:   farm
Driver: docker-container

Nodes:
Name:      farm0
Endpoint:  unix:///var/run/docker.sock
Driver Options: network="host"
"""
LISTED = "".join(
    f"{json.dumps({'Name': name, 'Driver': 'docker'})}\n" for name in ("farm", "default", "farm")
)
OLDER = "Labels:\n org.mobyproject.buildkit.worker.moby.host-gateway-ip: 172.17.0.1\n"
NEWER = "Labels:\n org.mobyproject.buildkit.worker.snapshotter: overlayfs\n"


class Docker:
    """Processes that answer as docker does, and keep what they were asked."""

    def __init__(self, answers: Mapping[tuple[str, ...], Finished]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.environments: list[Mapping[str, str]] = []
        self._answers = answers

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
        """As Processes.run."""
        self.asked.append(tuple(argv[1:]))
        self.environments.append(env or {})
        assert argv[0] == "docker"
        return self._answers[tuple(argv[1:])]


def said(text: str, code: int = 0, error: str = "") -> Finished:
    return Finished(code, text, error)


LIST = ("buildx", "ls", "--format", "{{json .}}")


@pytest.mark.parametrize(("labels", "plain"), [(OLDER, True), (NEWER, False), ("", True)])
def test_the_engines_own_builder_is_as_its_image_store(labels: str, plain: bool) -> None:
    docker = Docker({("buildx", "inspect"): said(OWN + labels)})
    assert BuildxBuilders(docker, {"DOCKER_HOST": "x"}).find(None) == Builder("default", plain)
    assert docker.asked == [("buildx", "inspect")]
    assert docker.environments[0]["DOCKER_HOST"] == "x"


def test_a_builder_with_a_driver_of_its_own_can_all_of_it() -> None:
    docker = Docker({("buildx", "inspect", "farm"): said(FARM)})
    assert BuildxBuilders(docker, {}).find("farm") == Builder("farm", plain=False)
    assert docker.asked == [("buildx", "inspect", "farm")]


def test_an_unknown_builder_is_told_with_those_that_are_there() -> None:
    docker = Docker(
        {("buildx", "inspect", "frm"): said("", 1, 'ERROR: no builder "frm" found\n'), LIST: said(LISTED)}
    )
    with pytest.raises(EngineError) as caught:
        BuildxBuilders(docker, {}).find("frm")
    assert (caught.value.message, caught.value.hint) == (
        'there is no builder "frm" on this machine; there are: default, farm',
        "make it with `docker buildx create --name frm`, or name another as `builder`: of the target in registry.toml, "
        "or below [build] of registry.local.toml",
    )


@pytest.mark.parametrize(
    ("name", "listed", "error", "hint"),
    [
        (
            None,
            said(LISTED),
            "ERROR: Cannot connect to the Docker daemon at unix:///x",
            "start the Docker engine",
        ),
        ("Farm", said(LISTED), "ERROR: context not readable", "`docker buildx inspect` has to work"),
        ("farm", said("odd\n[]\n{}\n"), "docker: 'buildx' is not a docker command.", "install or update"),
        ("farm", said("", 127), "docker: No such file or directory", "`docker buildx inspect` has to work"),
    ],
)
def test_a_builder_that_cannot_be_looked_at_is_no_unknown_one(
    name: str | None, listed: Finished, error: str, hint: str
) -> None:
    asked = ("buildx", "inspect", *((name,) if name else ()))
    with pytest.raises(EngineError) as caught:
        BuildxBuilders(Docker({asked: said("", 1, error), LIST: listed}), {}).find(name)
    assert caught.value.message == f"the builder cannot be looked at: {error.removeprefix('ERROR: ')}"
    assert caught.value.hint.startswith(hint)
