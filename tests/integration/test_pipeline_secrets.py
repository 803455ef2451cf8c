"""A ship through everything that holds a secret: what is planted is used, and found nowhere afterwards.

The package index wants a password and listens on loopback; builds reach it through a proxy that wants another
one and looks into TLS; the container registry wants a third and has a certificate of a private authority.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.images import ImageReference, Repository
from flowyard.values import Json
from tests.integration.canaries import Canary, Search, canary, files_below
from tests.integration.pipeline_projects import SmallProject
from tests.integration.registry_held import docker_config, login
from tests.integration.registry_program import PASSWORD, USER, basic_auth, running_registry
from tests.integration.secret_surroundings import PLANTED, Surroundings, environment, plant, surroundings

pytest_plugins = ("tests.integration.pipeline_fixtures",)


@pytest.fixture
def canaries() -> dict[str, Canary]:
    return {name: canary(name) for name in PLANTED}


@pytest.fixture
def around(canaries: dict[str, Canary], tmp_path: Path) -> Iterator[Surroundings]:
    with surroundings(tmp_path, canaries) as started:
        yield started


def test_a_registry_that_wants_credentials(project: SmallProject, tmp_path: Path) -> None:
    project.flow("secret_login")
    with running_registry(tmp_path, basic_auth(tmp_path)) as host:
        project.registry(registry=f'{{ type = "oci", url = "{host}/acme" }}')
        for name, config in (("none", {}), ("wrong", login(host, USER, "guessed"))):
            refused = project.program("ship", env=docker_config(tmp_path / name, config))
            assert (refused.returncode, refused.stdout) == (5, "")
            first, *rest = refused.stderr.splitlines()
            assert first.endswith(
                ": the container registry answered HTTP 401 UNAUTHORIZED (authentication required)"
            )
            assert rest == [f"  hint: docker login {host}"]
    assert project.deployments() == {}


def test_what_is_planted_is_used_and_found_nowhere(
    project: SmallProject, around: Surroundings, canaries: dict[str, Canary], tmp_path: Path
) -> None:
    # What every flow's image begins with comes from the public index, in a build that knows nothing private.
    project.flow("secret_public")
    project.shipped()
    shutil.rmtree(project.root / "flows/secret_public")
    edition = uuid.uuid4().hex
    plant(project, around, canaries, edition)
    env = environment(project, around, canaries, tmp_path / "home")
    said = [*lock(project, around), *refused_without_the_index(project, env)]
    said += ship(project, env)
    # Each thing was really used.
    reached = around.index.url.rpartition("@")[2].partition("/")[0]
    assert {reached, around.registry} <= set(around.proxy.hosts)
    deployment = project.deployment("secret_flow")
    image = deployment["job_variables"]["image"]
    reference = ImageReference(Repository(around.registry, "acme/secret_flow"), image_key(deployment))
    with OciRegistry(environ=env) as direct:  # past the proxy: trusts the registry by the engine's folder
        assert image == f"{reference.repository}@{direct.digest(reference)}"

    said += [project.program(*words, env=env) for words in REPORTS]
    assert [done.returncode for done in said[-len(REPORTS) :]] == [0] * len(REPORTS)
    places = [(f"output {number}", f"{done.stdout}\n{done.stderr}") for number, done in enumerate(said)]
    places += [("history", history(image)), *((f"Prefect: {path}", text) for path, text in kept(project))]
    everywhere = [
        *around.held("acme/secret_flow").parts(image.rpartition("@")[2]),
        *((place, text.encode()) for place, text in places),
        *files_below(project.root / ".flowyard"),
    ]
    assert any(place.startswith("logs/build/") for place, _ in everywhere)
    sought = (*canaries.values(), Canary("registry", f"{USER}:{PASSWORD}"), Canary("the source", edition))
    found = Search(sought).where(everywhere)
    # The flow's own source must be found, or the search proves nothing.
    assert {name for names in found.values() for name in names} == {"the source"}, found
    assert not [place for place in found if not place.startswith("layer ")]


def test_the_search_finds_every_form_of_every_canary_in_every_place(
    around: Surroundings, canaries: dict[str, Canary], tmp_path: Path
) -> None:
    context = tmp_path / "planted"
    context.mkdir()
    expected: dict[str, set[str]] = {}
    labels = ["FROM scratch"]
    for number, one in enumerate(canaries.values()):
        for form, text in one.forms.items():
            name = f"{number}-{form}"
            (context / name).write_bytes(b"before " + text + b" after")
            expected[name] = {one.name}
        labels.append(f"LABEL planted{number}={json.dumps(quote(one.value, safe=''))}")
        labels.append(f'ENV PLANTED{number}="{base64.b64encode(one.value.encode()).decode()}"')
    named = base64.urlsafe_b64encode(canaries["proxy"].value.encode()).decode()
    (context / named).write_text("its name is what is planted")
    (context / "Dockerfile").write_text("\n".join([*labels, "COPY . /planted/", ""]))
    search = Search(canaries.values())
    assert search.where(files_below(context)) == {
        **expected,
        named: {"proxy"},
        "Dockerfile": set(PLANTED),
    }
    reference = f"{around.registry}/acme/planted:1"
    env = docker_config(tmp_path / "docker", login(around.registry, USER, PASSWORD))
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--push", "--tag", reference]
    subprocess.run([*argv, str(context)], check=True, capture_output=True, env={**base_environment(), **env})
    found = search.where(around.held("acme/planted").parts("1"))
    assert found == {"configuration": set(PLANTED), "layer 0": set(PLANTED)}


REPORTS = (
    ("plan", "--json"),
    ("plan",),
    ("ship", "--json"),
    ("list", "--json"),
    ("render", "secret_flow"),
)


def lock(project: SmallProject, around: Surroundings) -> list[subprocess.CompletedProcess[str]]:
    """Lock the flow against the private index: uv has settings of its own for that."""
    uv = {"SSL_CERT_FILE": str(around.index.authority), "UV_DEFAULT_INDEX": around.index.url}
    locked = [project.program("lock", "secret_flow", env=uv) for _ in range(2)]
    said, path = "locking secret_flow\n", "flows/secret_flow/requirements.lock"
    assert [(done.returncode, done.stdout, done.stderr) for done in locked] == [
        (0, f"{path}\n", f"{said}commit the files above\n"),
        (0, "", f"{said}every lock is fresh\n"),
    ]
    assert "https://" not in (project.root / path).read_text()
    return locked


def refused_without_the_index(
    project: SmallProject, env: dict[str, str]
) -> list[subprocess.CompletedProcess[str]]:
    """What is said when the variable of a build secret is not set, and when the index refuses."""
    unset = project.program("ship", env={name: env[name] for name in env if name != "PRIVATE_INDEX"})
    assert "build secret 'index' is the variable PRIVATE_INDEX, which is not set" in unset.stderr
    wrong = project.program(
        "ship", env={**env, "PRIVATE_INDEX": env["PRIVATE_INDEX"].replace("reader", "none")}
    )
    assert [done.returncode for done in (unset, wrong)] == [1, 1]
    return [unset, wrong]


def ship(project: SmallProject, env: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """Ship, and beside what is printed keep every command line that was seen meanwhile."""
    running = project.program_in_background("ship", env=env)
    words: set[str] = set()
    while running.poll() is None:
        for process in psutil.process_iter(["cmdline"]):
            words.add("\n".join(process.info["cmdline"] or ()))
        time.sleep(0.05)
    stdout, stderr = running.communicate(timeout=20)
    assert running.returncode == 0, stderr
    assert any("--secret" in line and "id=index,env=PRIVATE_INDEX" in line for line in words)
    seen = subprocess.CompletedProcess("command lines", 0, "\n".join(sorted(words)), "")
    return [subprocess.CompletedProcess("ship", 0, stdout, stderr), seen]


def kept(project: SmallProject) -> Iterator[tuple[str, str]]:
    """Everything Prefect keeps of deployments, artifacts, pools and variables."""
    for path in ("deployments", "artifacts", "work_pools", "variables", "flows", "block_documents"):
        yield path, json.dumps(project.api.request("POST", f"/{path}/filter", {}), ensure_ascii=False)


def image_key(deployment: dict[str, Json]) -> str:
    return str(deployment["labels"]["flowyard.key"])


def history(image: str) -> str:
    argv = ["docker", "image", "ls", "--quiet", "--no-trunc", image.partition("@")[0]]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[0]
    argv = ["docker", "history", "--no-trunc", found]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def base_environment() -> dict[str, str]:
    """The environment of a program that only needs its PATH."""
    return {"PATH": psutil.Process().environ()["PATH"]}
