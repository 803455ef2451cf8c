"""The content key: each kind of input changes it and is named; what must not matter does not change it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flowyard.plan import Desired
from flowyard.planning.key import differences, fingerprint, key_of
from tests.support import BASES, REGISTRY, desire, lock, make_project, write_files

PROJECT = {
    "registry.toml": REGISTRY + '\n[defaults]\ninclude = ["shared"]\n',
    "shared/days.py": "DAYS = 7\n",
    "extra/more.py": "MORE = 1\n",
    "flows/hello/flow.toml": '[deployments.daily]\nschedules = [{ cron = "0 6 * * *" }]\n',
    "flows/hello/helper.py": "HELP = 1\n",
    "flows/hello/data/rows.csv": "a,b\n",
    "flows/hello/run.sh": "#!/bin/sh\n",
    "flows/hello/requirements.txt": "attrs\nidna\n",
    "registry.local.toml": '[build-secrets]\ntoken = { file = "secret.txt" }\n',
}
LOCK = "flows/hello/requirements.lock"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A locked project with one of everything that is hashed."""
    root = make_project(tmp_path / "clone", dict(PROJECT))
    monkeypatch.chdir(root)
    (root / "secret.txt").write_text("first")
    (root / "flows/hello/link").symlink_to("helper.py")
    (root / "flows/hello/run.sh").chmod(0o755)
    lock(root)
    return root


def append(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / path).open("a") as stream:
            stream.write(text)

    return change


def flow_toml(text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "flows/hello/flow.toml"
        path.write_text(text + path.read_text())
        lock(root)

    return change


def link_elsewhere(root: Path) -> None:
    (root / "flows/hello/link").unlink()
    (root / "flows/hello/link").symlink_to("flow.py")


def link_becomes_file(root: Path) -> None:
    (root / "flows/hello/link").unlink()
    shutil.copy(root / "flows/hello/helper.py", root / "flows/hello/link")


def newer_base(root: Path) -> None:
    (root / "images/bases.lock").write_text(BASES.replace("b" * 64, "c" * 64))


def python_312(root: Path) -> None:
    (root / "images/bases.lock").write_text(BASES.replace('python = "3.13"', 'python = "3.12"'))
    flow_toml('python = "3.12"\n')(root)


def newer_lock(root: Path) -> None:
    path = root / LOCK
    path.write_text(path.read_text().replace("attrs==1.0", "attrs==1.1"))


MATTERS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a byte of source": (append("flows/hello/flow.py", " "), ("flows/hello/flow.py changed",)),
    "a byte of data": (append("flows/hello/data/rows.csv", "\n"), ("flows/hello/data/rows.csv changed",)),
    "may be executed": (
        lambda root: (root / "flows/hello/helper.py").chmod(0o755),
        ("flows/hello/helper.py mode changed",),
    ),
    "may not be executed": (
        lambda root: (root / "flows/hello/run.sh").chmod(0o644),
        ("flows/hello/run.sh mode changed",),
    ),
    "file added": (append("flows/hello/new.py", ""), ("flows/hello/new.py added",)),
    "file removed": (
        lambda root: (root / "flows/hello/helper.py").unlink(),
        ("flows/hello/helper.py removed",),
    ),
    "file renamed": (
        lambda root: (root / "flows/hello/helper.py").rename(root / "flows/hello/other.py"),
        ("flows/hello/helper.py removed", "flows/hello/other.py added"),
    ),
    "link's target": (link_elsewhere, ("flows/hello/link changed",)),
    "link becomes a file": (link_becomes_file, ("flows/hello/link changed",)),
    "own lock": (newer_lock, (f"{LOCK} changed",)),
    "Prefect's lock": (
        append("images/locks/prefect-3.13.lock", "#\n"),
        (f"{LOCK} changed", "images/locks/prefect-3.13.lock changed"),
    ),
    "the installer's lock": (append("images/locks/uv.lock", "#\n"), ("images/locks/uv.lock changed",)),
    "template": (append("images/Dockerfile.j2", "{# remark #}"), ("images/Dockerfile.j2 changed",)),
    "partial": (append("images/partials/check.j2", "{# remark #}"), ("images/partials/check.j2 changed",)),
    "install script": (append("images/scripts/install-lock", "\n"), ("images/scripts/install-lock changed",)),
    "shared folder": (append("shared/days.py", " "), ("shared/days.py changed",)),
    "new in the shared folder": (append("shared/new.txt", ""), ("shared/new.txt added",)),
    "another shared folder": (flow_toml('include = ["extra"]\n'), ("extra/more.py added",)),
    "base digest": (newer_base, ("base image changed",)),
    "system package": (
        flow_toml('system-packages = ["git"]\n'),
        ("images/partials/system-packages.j2 added", "system-packages changed"),
    ),
    "platform": (flow_toml('platforms = ["linux/arm64"]\n'), ("platforms changed",)),
    "name of a secret": (flow_toml('build-secrets = ["token"]\n'), ("build-secrets changed",)),
    "entrypoint": (
        flow_toml('entrypoint = "helper.py"\n'),
        ("deployments.daily.entrypoint changed", "entrypoints changed"),
    ),
    "python": (
        python_312,
        (
            f"{LOCK} changed",
            "images/locks/prefect-3.12.lock added",
            "images/locks/prefect-3.13.lock removed",
            "python changed",
        ),
    ),
    "own template": (
        append("flows/hello/Dockerfile.j2", '{% extends "Dockerfile.j2" %}'),
        ("flows/hello/Dockerfile.j2 added",),
    ),
    "own Dockerfile": (
        append("flows/hello/Dockerfile", "FROM x\n"),
        (
            "flows/hello/Dockerfile added",
            "images/Dockerfile.j2 removed",
            *(f"images/partials/{name}.j2 removed" for name in ("check", "install-lock")),
        ),
    ),
}


@pytest.mark.parametrize("name", MATTERS)
def test_what_matters_changes_the_key_and_is_named(root: Path, name: str) -> None:
    before = desire(root)
    change, reasons = MATTERS[name]
    change(root)
    if name == "Prefect's lock":
        lock(root)
    after = desire(root)
    assert (after.key != before.key, differences(before.inputs, after.inputs)) == (True, reasons)


def touch(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)


def narrow_modes(root: Path) -> None:
    for path in root.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o700 if executable else 0o600)


def rewrite_backwards(root: Path) -> None:
    """The same files, made in the opposite order: file systems may list them differently."""
    for path in sorted((root / "flows/hello").iterdir(), reverse=True):
        if path.is_file() and not path.is_symlink():
            content, mode = path.read_bytes(), path.stat().st_mode
            path.unlink()
            path.write_bytes(content)
            path.chmod(mode)


def leave_files(root: Path) -> None:
    for folder in ("flows/hello", "flows/hello/data", "shared", "images/scripts"):
        for name in (
            *("__pycache__/flow.cpython-313.pyc", "x.pyc", ".env", ".env.local", ".git/config", ".gitignore"),
            *(".flow.py.swp", "flow.py~", "#flow.py#", ".#flow.py", ".idea/x", ".vscode/y", ".DS_Store"),
            *(
                ".venv/bin/python",
                ".mypy_cache/x",
                "id_rsa",
                "server.pem",
                ".aws/credentials",
                ".dockerignore",
            ),
        ):
            write_files(root, {f"{folder}/{name}": ""})


def other_secret(root: Path) -> None:
    (root / "second.txt").write_text("second")
    (root / "registry.local.toml").write_text('[build-secrets]\ntoken = { file = "second.txt" }\n')


IRRELEVANT: dict[str, Callable[[Path], object]] = {
    "times": touch,
    "modes that an umask decides": narrow_modes,
    "order of files": rewrite_backwards,
    "left-overs and credentials": leave_files,
    "value of a secret": lambda root: (root / "secret.txt").write_text("second"),
    "place of a secret": other_secret,
    "schedule": lambda root: (root / "flows/hello/flow.toml").write_text(""),
    "order of requirements": lambda root: (root / "flows/hello/requirements.txt").write_text(
        "idna # names\n\nattrs\n"
    ),
    "another flow": lambda root: write_files(root, {"flows/other/flow.py": ""}),
    "empty folder": lambda root: (root / "flows/hello/empty").mkdir(),
    "another target": append(
        "registry.toml",
        '[targets.b]\nregistry = { type = "oci", url = "x.example" }\nwork-pool = { name = "b", type = "docker" }\n',
    ),
    "unused template": append("images/partials/unused.j2", "x"),
}


@pytest.mark.parametrize("name", IRRELEVANT)
def test_what_does_not_matter_keeps_the_key(root: Path, name: str) -> None:
    before = desire(root)
    IRRELEVANT[name](root)
    after = desire(root)
    assert _image(after) == _image(before)
    assert after.key == before.key


def _image(desired: Desired) -> dict[str, str]:
    """The inputs of the image; those of the deployments may differ."""
    return {
        name: value
        for name, value in desired.inputs.items()
        if not name.startswith(("deployments.", "registration", "work pool"))
    }


def test_the_path_of_the_clone_does_not_matter(root: Path, tmp_path: Path) -> None:
    before = desire(root)
    other = tmp_path / "somewhere" / "else"
    shutil.copytree(root, other, symlinks=True)
    after = desire(other)
    assert (after.key, after.inputs) == (before.key, before.inputs)


def test_a_schedule_changes_the_spec_only(root: Path) -> None:
    before = desire(root)
    (root / "flows/hello/flow.toml").write_text('[deployments.daily]\nschedules = [{ cron = "1 6 * * *" }]\n')
    after = desire(root)
    assert (after.key, after.spec != before.spec) == (before.key, True)
    assert differences(before.inputs, after.inputs) == ("deployments.daily.schedules changed",)


def test_every_file_of_the_runtime_part_is_an_input(root: Path) -> None:
    import flowyard

    package = Path(flowyard.__file__).parent
    files = {f"flowyard runtime/{path.name}" for path in (package / "runtime").glob("*.py")}
    named = {name for name in desire(root).inputs if name.startswith("flowyard ")}
    assert named == files | {"flowyard __init__.py"}


def test_a_key_is_a_constant_of_its_inputs() -> None:
    expected = hashlib.sha256(b'{"a":"1","b":"2"}').hexdigest()
    assert key_of({"b": "2", "a": "1"}) == key_of({"a": "1", "b": "2"}) == expected[:32]
    assert fingerprint([1, {"b": None, "a": "x"}]) == hashlib.sha256(b'[1,{"a":"x","b":null}]').hexdigest()


@pytest.mark.parametrize(
    ("before", "now", "reasons"),
    [
        ({}, {}, ()),
        ({"a": "1"}, {"a": "1"}, ()),
        ({"a": "1"}, {"a": "2"}, ("a changed",)),
        ({"a": "1"}, {"b": "1"}, ("a removed", "b added")),
        ({"a": "1"}, {"a": "1 executable"}, ("a mode changed",)),
        ({"a": "1"}, {"a": "2 executable"}, ("a changed",)),
        ({"Dockerfile": "1"}, {"Dockerfile": "2"}, ("Dockerfile changed",)),
        ({"Dockerfile": "1", "a": "1"}, {"Dockerfile": "2", "a": "2"}, ("a changed",)),
    ],
)
def test_differences(before: dict[str, str], now: dict[str, str], reasons: tuple[str, ...]) -> None:
    assert differences(before, now) == reasons
