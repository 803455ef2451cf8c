"""Pinning base images."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.configuration.paths import BASES_LOCK
from flowyard.errors import LockError, RegistryError
from flowyard.images import Digest, ImageReference, Repository
from flowyard.load import load
from flowyard.locking.bases import pin_bases
from flowyard.values import BaseImage
from tests.fakes import FakeContainerRegistry
from tests.support import FLOW, MINIMAL, write_files

OFFICIAL = ImageReference(Repository("docker.io", "library/python"), "3.13-slim")
TEAM = ImageReference(Repository("team.example", "base"), "1")


@pytest.fixture
def registry() -> FakeContainerRegistry:
    registry = FakeContainerRegistry()
    registry.put(OFFICIAL, [{"a": b"1"}], {"PYTHON_VERSION": "3.13.5"})
    registry.put(TEAM, [{"b": b"2"}])
    return registry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path, {**MINIMAL, "images/bases.lock": "[bases]\n"})


def pin(root: Path, registry: FakeContainerRegistry, *, upgrade: bool = False) -> tuple[Path, ...]:
    project = load(root)
    return pin_bases(project, project.flows, registry, upgrade=upgrade)


def digest_of(registry: FakeContainerRegistry, reference: ImageReference) -> Digest:
    found = registry.digest(reference)
    assert found is not None
    return found


def test_a_base_is_pinned_once(root: Path, registry: FakeContainerRegistry) -> None:
    assert pin(root, registry) == (BASES_LOCK,)
    first = digest_of(registry, OFFICIAL)
    pinned = BaseImage("python:3.13-slim", f"docker.io/library/python:3.13-slim@{first}", "3.13")
    assert load(root).flows[0].base == pinned
    assert pin(root, registry) == ()
    registry.put(OFFICIAL, [{"a": b"newer"}], {"PYTHON_VERSION": "3.13.6"})
    assert pin(root, registry) == ()
    assert pin(root, registry, upgrade=True) == (BASES_LOCK,)
    newer = digest_of(registry, OFFICIAL)
    assert newer != first
    assert load(root).flows[0].base.reference == f"docker.io/library/python:3.13-slim@{newer}"


def test_other_pins_are_kept_in_order(root: Path, registry: FakeContainerRegistry) -> None:
    pin(root, registry)
    write_files(
        root,
        {"flows/a/flow.py": FLOW, "flows/a/flow.toml": 'base = "team.example/base:1"\npython = "3.12"\n'},
    )
    assert pin(root, registry) == (BASES_LOCK,)
    assert [line.partition(" =")[0] for line in (root / BASES_LOCK).read_text().splitlines()[2:]] == [
        '"python:3.13-slim"',
        '"team.example/base:1"',
    ]


def test_a_base_that_stands_in_on_this_machine_is_left_alone(
    root: Path, registry: FakeContainerRegistry
) -> None:
    reference = f"127.0.0.1:5005/x@sha256:{'c' * 64}"
    local = f'[bases]\n"python:3.13-slim" = {{ reference = "{reference}", python = "3.13" }}\n'
    write_files(root, {"registry.local.toml": local})
    registry.failure = RegistryError("must not be asked")
    assert pin(root, registry, upgrade=True) == ()


def test_a_base_that_does_not_say_its_python_needs_it_said(
    root: Path, registry: FakeContainerRegistry
) -> None:
    write_files(root, {"flows/hello/flow.toml": 'base = "team.example/base:1"\n'})
    with pytest.raises(LockError) as caught:
        pin(root, registry)
    assert caught.value.message == "base image team.example/base:1 does not say which Python it holds"
    assert (root / BASES_LOCK).read_text() == "[bases]\n"


def test_a_base_that_is_not_there(root: Path, registry: FakeContainerRegistry) -> None:
    write_files(root, {"flows/hello/flow.toml": 'base = "python:3.99"\n'})
    with pytest.raises(LockError, match=r"^base image python:3\.99 cannot be pinned: .*no such tag$"):
        pin(root, registry)


DIGEST = f"sha256:{'d' * 64}"


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize(
    ("toml", "python"),
    [
        (f'base = "team.example/base@{DIGEST}"\npython = "3.12"\n', "3.12"),
        (f'base = "team.example/base:1@{DIGEST}"\npython = "3.12"\n', "3.12"),
        (f'base = "python:3.13-slim@{DIGEST}"\n', "3.13"),
    ],
)
def test_a_base_that_is_given_by_digest_needs_no_registry(
    root: Path, toml: str, python: str, upgrade: bool
) -> None:
    write_files(root, {"flows/hello/flow.toml": toml})
    silent = FakeContainerRegistry(RegistryError("must not be asked"))
    name = toml.split('"')[1]
    assert pin(root, silent, upgrade=upgrade) == (BASES_LOCK,)
    assert load(root).flows[0].base == BaseImage(name, name, python)
    assert pin(root, silent, upgrade=upgrade) == ()


def test_a_base_that_is_given_by_digest_needs_its_python_said(root: Path) -> None:
    write_files(root, {"flows/hello/flow.toml": f'base = "team.example/base@{DIGEST}"\n'})
    with pytest.raises(LockError) as caught:
        pin(root, FakeContainerRegistry(RegistryError("must not be asked")))
    assert (caught.value.message, caught.value.hint) == (
        f"base image team.example/base@{DIGEST} does not say which Python it holds",
        'set `python = "3.13"` beside `base`',
    )
    assert (root / BASES_LOCK).read_text() == "[bases]\n"
