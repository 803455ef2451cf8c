"""Real images compared: the same key is the same image, another key another one, and in what was changed only.

Same means: files, contents, modes, owners, links and configuration. Times are not compared: the parent folders
that COPY makes bear the time of the build, which no builder of Engine 26 can rewrite. What a lock installs has one
time, so that layer is the same as a whole.

Another Python, which needs a base and locks of its own, is in test_other_python.py. Of another platform only what this
processor runs by itself can be made; the first stage of it has to do. In what keys they differ is in
tests/unit/test_changes.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import certifi
import pytest

from flowyard.adapters.buildx import Buildx, SystemLineProcesses
from flowyard.adapters.terminal import SilentProgress
from flowyard.building.workshop import Workshop, build_request
from flowyard.commands.opening import open_project
from flowyard.connect import choose_target
from flowyard.images import PublishedImage
from flowyard.plan import Desired
from flowyard.planning.desired import want
from flowyard.releasing.order import Commit
from flowyard.wiring import open_workshop
from tests.integration.image_content import Content, File, content_of, differing
from tests.integration.registry_program import running_registry
from tests.integration.yard import ROOT, pushed_base, remove_images

PROJECT = {
    "registry.toml": """[project]
name = "same-image"

[defaults]
base = "python:3.13-slim"
include = ["shared"]

[targets.local]
registry = { type = "oci", url = "HOST" }
work-pool = { name = "pool", type = "docker" }
prefect = { api = "http://127.0.0.1:1/api" }
""",
    "shared/__init__.py": "",
    "shared/words.py": 'WORD = "Hello"\n',
    "flows/same/flow.py": """from prefect import flow

from shared.words import WORD


@flow
def same(who: str = "world", tags: set[str] = {"b", "a", "c"}) -> str:
    return f"{WORD}, {who}!"
""",
    "flows/same/helper.py": "HELP = 1\n",
    "flows/same/run.sh": "#!/bin/sh\n",
    "flows/same/data/rows.csv": "a,b\n",
}
FOLDER = "opt/project/flows/same"
LEFT_OVERS = (
    *("__pycache__/flow.cpython-313.pyc", "flow.pyc", ".env", ".env.local", ".git/config", "id_rsa"),
    *(".flow.py.swp", "flow.py~", "#flow.py#", ".idea/x", ".vscode/y", ".DS_Store", "key.pem"),
)
EMPTY_LAYER = f"sha256:{hashlib.sha256(bytes(1024)).hexdigest()}"
# What the processor runs by itself beside its plain platform, and BuildKit takes for another one.
VARIANTS = {"amd64": "linux/amd64/v2"}
SECRET = "# a remark that only this machine's CA bundle has\n"


@dataclass(frozen=True)
class Registry:
    """A container registry of the test, the line that pins the base there, and a folder for clones."""

    host: str
    base: str
    folder: Path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("same")
    with running_registry(folder) as host:
        try:
            yield Registry(host, pushed_base("python:3.13-slim", host), folder)
        finally:
            remove_images(host)


def make_clone(registry: Registry, root: Path, umask: int) -> Path:
    """The repository in a new folder, as git makes it under this umask."""
    before = os.umask(umask)
    try:
        for name in ("Dockerfile.j2", "partials", "scripts", "locks"):
            _copy(ROOT / "images" / name, root / "images" / name)
        for name, text in PROJECT.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text.replace("HOST", registry.host))
        (root / "flows/same/run.sh").chmod(0o777 & ~umask)
        (root / "flows/same/link").symlink_to("helper.py")
        bundle = root / "bundle.pem"
        bundle.write_bytes(Path(os.environ.get("SSL_CERT_FILE") or certifi.where()).read_bytes())
        settings = f'[bases]\n{registry.base}\n[build-secrets]\nca = {{ file = "bundle.pem" }}\n'
        (root / "registry.local.toml").write_text(settings)
    finally:
        os.umask(before)
    return root


def _copy(source: Path, destination: Path) -> None:
    """Contents only: the modes are the umask's."""
    if source.is_dir():
        shutil.copytree(source, destination, copy_function=shutil.copyfile)
    else:
        destination.parent.mkdir(parents=True)
        shutil.copyfile(source, destination)


def built(
    root: Path, commit: Commit | None = None, *, no_cache: bool = False, stage: str | None = None
) -> tuple[Desired, Content]:
    """The flow built from the clone and pushed: what was wanted, and what the registry holds.

    With `stage`, that stage of the Dockerfile alone.
    """
    project = open_project(root)
    target = choose_target(project, None)
    workshop: Workshop = open_workshop(project, target, SilentProgress())
    desired = want(project, project.flows[0], target, workshop.render)
    request = build_request(workshop, desired, commit, push_to=desired.reference.repository)
    builder = Buildx(SystemLineProcesses(), SilentProgress(), Logs(root), os.environ)
    image = builder.build(replace(request, no_cache=no_cache, target=stage))
    assert image.digest is not None
    return desired, content_of(PublishedImage(desired.reference.repository, image.digest))


@dataclass(frozen=True)
class Logs:
    """Logs of builds, in the clone."""

    folder: Path

    def path(self, flow: str) -> Path:
        return self.folder / f"{flow}.log"


@pytest.fixture(scope="module")
def first(registry: Registry) -> tuple[Desired, Content]:
    """The image of an unchanged clone."""
    return built(make_clone(registry, registry.folder / "first", 0o022))


def test_an_image_holds_what_was_hashed_and_nothing_else(first: tuple[Desired, Content]) -> None:
    desired, content = first
    files = {path: file for path, file in content.above(1).items() if file.kind != "5"}
    hashed = {
        path.replace("project/", "opt/project/", 1) if path.startswith("project/") else f"opt/flowyard/{path}"
        for path in (file.path for file in desired.files)
        if path.startswith(("project/", "lib/"))
    }
    installed = {path for path in files if path.startswith("opt/venv/")}
    home = {path for path in files if path.startswith("home/flow/.")}  # from the base's /etc/skel
    users = {f"etc/{name}{old}" for name in ("passwd", "group", "shadow", "gshadow") for old in ("", "-")}
    users |= {f"etc/{name}{old}" for name in ("subuid", "subgid") for old in ("", "-")} | {"etc/.pwd.lock"}
    assert files.keys() - installed - home - users == hashed | {"opt/flowyard/description.json"}
    assert (len(installed) > 1000, files.keys() >= {"etc/passwd", "etc/shadow"}) == (True, True)
    # Without the day it was made.
    assert content.read("etc/shadow").splitlines()[-1] == b"flow:!::0:99999:7:::"


def test_the_configuration_is_the_keys(first: tuple[Desired, Content], registry: Registry) -> None:
    desired, content = first
    assert content.configuration["config"]["Labels"].items() >= {
        ("io.flowyard.project", "same-image"),
        ("io.flowyard.key", desired.key),
    }
    # The commit is where an image was built first: the one thing in it that the key does not decide.
    _, committed = built(registry.folder / "first", Commit("1" * 40, dirty=False))
    labels = committed.configuration["config"]["Labels"]
    assert labels.pop("org.opencontainers.image.revision") == "1" * 40
    assert (committed.configuration, differing(content, committed)) == (content.configuration, {})


def test_system_packages_are_installed_the_same(registry: Registry) -> None:
    """Packages that add a user, alternatives and what is worked out of them while they are installed."""
    root = make_clone(registry, registry.folder / "packages", 0o022)
    settings('system-packages = ["netcat-openbsd", "openssh-client", "dbus"]\n')(root)
    one, other = (built(root, no_cache=True, stage="base")[1] for _ in range(2))
    assert len(one.above(1)) > 100
    assert (differing(one, other), one.configuration) == ({}, other.configuration)


def link_elsewhere(root: Path) -> None:
    (root / "flows/same/link").unlink()
    (root / "flows/same/link").symlink_to("run.sh")


def append(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / path).open("a") as stream:
            stream.write(text)

    return change


def settings(text: str) -> Callable[[Path], None]:
    return append("flows/same/flow.toml", text)


def sides(difference: tuple[File | None, File | None]) -> set[str]:
    """In what two files differ; where only one is there: that it came or went."""
    before, after = difference
    if before is None or after is None:
        return {"added" if before is None else "removed"}
    return {name for name in File.__dataclass_fields__ if getattr(before, name) != getattr(after, name)}


# The change; in what the files differ; in what the configuration differs, beside the key.
CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, set[str]], set[str]]] = {
    "source byte": (append("flows/same/flow.py", "#\n"), {f"{FOLDER}/flow.py": {"content"}}, set()),
    "mode": (
        lambda root: (root / "flows/same/helper.py").chmod(0o755),
        {f"{FOLDER}/helper.py": {"mode"}},
        set(),
    ),
    "added file": (append("flows/same/data/new.csv", ""), {f"{FOLDER}/data/new.csv": {"added"}}, set()),
    "removed file": (
        lambda root: (root / "flows/same/helper.py").unlink(),
        {f"{FOLDER}/helper.py": {"removed"}},
        set(),
    ),
    "symlink's target": (link_elsewhere, {f"{FOLDER}/link": {"link"}}, set()),
    "shared folder": (
        append("shared/words.py", "#\n"),
        {"opt/project/shared/words.py": {"content"}},
        set(),
    ),
    "template": (append("images/Dockerfile.j2", "ENV MORE=1\n"), {}, {"Env"}),
    "entrypoint": (
        settings('entrypoint = "flow.py:same"\n'),
        {"opt/flowyard/description.json": {"content"}},
        set(),
    ),
}


def rebased(root: Path, label: str) -> None:
    """Pin the base of the clone to another digest: the same layers, and a label that tells it."""
    file = root / "registry.local.toml"
    found = re.search(r'reference = "(\S+)@(sha256:\w+)"', file.read_text())
    assert found
    folder = root.with_name(f"{root.name}-base")
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {found[1]}@{found[2]}\nLABEL base={label}\n")
    metadata = folder / "metadata.json"
    options = (
        "--push",
        "--provenance=false",
        "--tag",
        f"{found[1]}:{label}",
        "--metadata-file",
        str(metadata),
    )
    subprocess.run(["docker", "buildx", "build", *options, str(folder)], check=True, capture_output=True)
    digest = json.loads(metadata.read_text())["containerimage.digest"]
    assert digest != found[2]
    file.write_text(file.read_text().replace(found[2], digest))


def test_another_digest_of_the_base_is_another_image(
    registry: Registry, first: tuple[Desired, Content]
) -> None:
    root = make_clone(registry, registry.folder / "rebased", 0o022)
    rebased(root, "other")
    desired, content = built(root)
    before, after = first[1].configuration["config"], content.configuration["config"]
    labels = {"base": "other", "io.flowyard.key": desired.key}
    assert desired.key != first[0].key
    assert (after, content.layers) == ({**before, "Labels": before["Labels"] | labels}, first[1].layers)


def test_another_platform_is_another_image(registry: Registry, first: tuple[Desired, Content]) -> None:
    root = make_clone(registry, registry.folder / "platform", 0o022)
    _, before = built(root, stage="base")
    settings(f'platforms = ["{VARIANTS[before.configuration["architecture"]]}"]\n')(root)
    desired, after = built(root, stage="base")
    assert desired.key != first[0].key
    assert differing(before, after) == {}
    assert "variant" not in before.configuration
    labels = {**before.configuration["config"]["Labels"], "io.flowyard.key": desired.key}
    config = {**before.configuration["config"], "Labels": labels}
    assert after.configuration == {**before.configuration, "config": config, "variant": "v2"}


@pytest.mark.parametrize("name", CHANGES)
def test_another_key_is_another_image_and_only_in_what_was_changed(
    registry: Registry, first: tuple[Desired, Content], name: str
) -> None:
    change, files, configuration = CHANGES[name]
    root = make_clone(registry, registry.folder / name, 0o022)
    change(root)
    desired, content = built(root)
    assert desired.key != first[0].key
    found = differing(first[1], content)
    assert {path: sides(difference) for path, difference in found.items()} == files
    before, after = first[1].configuration["config"], dict(content.configuration["config"])
    assert after["Labels"] == {**before["Labels"], "io.flowyard.key": desired.key}
    assert {key for key in after if after[key] != before.get(key)} == {"Labels", *configuration}


def test_the_same_key_is_the_same_image(
    registry: Registry, first: tuple[Desired, Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step ran twice: for the first image, now or in an earlier run, and now with nothing cached.

    The last test here: what comes after it would share no layer with the first image.
    """
    root = make_clone(registry, registry.folder / "somewhere" / "else entirely", 0o077)
    for folder in ("flows/same", "flows/same/data", "shared", "images/scripts"):
        for name in LEFT_OVERS:
            (root / folder / name).parent.mkdir(exist_ok=True)
            (root / folder / name).write_text("left over")
    with (root / "bundle.pem").open("a") as bundle:
        bundle.write(SECRET)
    for path in (root / "flows").rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    for name, value in {
        "TZ": "Asia/Kolkata",
        "LC_ALL": "C",
        "DOCKER_DEFAULT_PLATFORM": "linux/s390x",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")

    desired, again = built(root, no_cache=True)
    assert desired.key == first[0].key
    assert differing(first[1], again) == {}
    assert again.configuration == first[1].configuration
    # Only the base was not made anew. What holds nothing (WORKDIR of a folder that is there) is the same, and so is
    # Prefect, also as it is pushed: a registry that has it is sent nothing.
    prefect = again.layers[2]
    assert set(again.layers) & set(first[1].layers) == {again.layers[0], prefect, EMPTY_LAYER}
    assert again.blobs[prefect] == first[1].blobs[prefect]
