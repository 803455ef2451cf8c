"""The contract of ImageStore, held by the fake and by the engine of this machine."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest

from flowyard.adapters.engine_images import engine_images
from flowyard.cleaning.holdings import HeldImage, ImageStore, let_go
from flowyard.runtime.names import PROJECT_LABEL
from tests.fakes_images import FakeImages

SIZES = {"base": 40_000, "one": 10_000, "two": 20_000}
NOBODY = "nobody"  # a project


@dataclass(frozen=True)
class Held:
    """A store to test, how images of some layers come into it, and how a container of one is there for a while.

    `make` takes the project, the flow and the layers from the bottom up; it gives the image's id.
    """

    store: ImageStore
    project: str
    make: Callable[[str, str, tuple[str, ...]], str]
    container: Callable[[str], AbstractContextManager[None]]

    def images(self) -> dict[str, HeldImage]:
        return {image.flow: image for image in self.store.look(self.project).images}


def fake() -> Held:
    layers: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    store = FakeImages([], layers, SIZES, owners=owners)

    def make(project: str, flow: str, of: tuple[str, ...]) -> str:
        made = HeldImage(f"image-{len(layers)}", (f"made:{flow}",), flow, datetime.now(UTC), 0, used=False)
        layers[made.id], owners[made.id] = of, project
        store.images.append(made)
        return made.id

    @contextmanager
    def container(image: str) -> Iterator[None]:
        store.busy = frozenset({image})
        yield
        store.busy = frozenset()

    return Held(store, "ours", make, container)


@contextmanager
def real(folder: Path, engine: docker.DockerClient) -> Iterator[Held]:
    """Images of nothing but the layers that are made here, which nobody else has."""
    project, names = f"store-{uuid.uuid4().hex[:12]}", list[str]()
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))

    def make(project: str, flow: str, of: tuple[str, ...]) -> str:
        copied = "".join(f"COPY {name} /{name}\n" for name in of)
        label = f"LABEL {PROJECT_LABEL}={project}\nWORKDIR /opt/project/flows/{flow}\n"
        names.append(f"flowyard-{project}:{flow}")
        named = ("--tag", names[-1], "--file", "-", str(folder))
        words = ["docker", "buildx", "build", "--quiet", "--load", *named]
        done = subprocess.run(words, input=f"FROM scratch\n{copied}{label}".encode(), capture_output=True)
        assert done.returncode == 0, done.stderr
        return str(engine.images.get(names[-1]).id)

    @contextmanager
    def container(image: str) -> Iterator[None]:
        made = engine.containers.create(image, ["nothing"])
        yield
        made.remove()

    with engine_images() as store:
        yield Held(store, project, make, container)
    for name in names:
        if engine.images.list(name):
            engine.images.remove(name)


@pytest.fixture(params=["fake", "engine"])
def held(request: pytest.FixtureRequest, tmp_path: Path, engine: docker.DockerClient) -> Iterator[Held]:
    if request.param == "fake":
        yield fake()
        return
    with real(tmp_path, engine) as found:
        yield found


def test_images_of_a_project_are_told_and_go_unless_they_are_used(held: Held) -> None:
    one = held.make(held.project, "one", ("base", "one"))
    two = held.make(held.project, "two", ("base", "two"))
    held.make(NOBODY, "other", ("base",))
    found = held.images()
    assert {image.id: (image.flow, image.own, image.used) for image in found.values()} == {
        one: ("one", SIZES["one"], False),
        two: ("two", SIZES["two"], False),
    }
    assert found["two"].name.endswith(":two")
    assert found["two"].made >= found["one"].made
    with held.container(one):
        assert held.images() == {**found, "one": replace(found["one"], used=True)}
        assert held.store.remove(found["one"]) is False
        assert held.store.remove(found["two"]) is True
        assert list(held.images()) == ["one"]
    assert held.store.remove(found["one"]) is True
    assert held.images() == {}
    assert held.store.remove(found["one"]) is True, "it is not there"


def test_a_step_is_forgotten_once_no_image_holds_it_and_none_is_upon_it(held: Held) -> None:
    held.make(held.project, "one", ("base", "one"))
    before = held.store.look(held.project)
    assert all(held.store.remove(image) for image in before.images)
    after = held.store.look(held.project)
    steps = let_go(before, after)
    known = {step.id: step for step in steps}
    lower = next(known[below] for step in steps for below in step.below if below in known)
    assert held.store.forget(lower) is False
    left = steps
    for _ in steps:  # those upon another go before it
        left = tuple(step for step in left if not held.store.forget(step))
    assert left == ()
    assert known.keys().isdisjoint(step.id for step in held.store.look(held.project).steps)
