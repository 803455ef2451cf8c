"""The disk of the engine is looked at before a build, and a build that it has no room for is not begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.disk import EngineDisk
from flowyard.build import BuildRequest
from flowyard.building.room import LEAST, Room, WithRoom, check_room
from flowyard.errors import EngineError
from flowyard.images import ImageReference, Repository
from tests.fakes import FakeContainerRegistry
from tests.fakes_builder import FakeBuilder, NoBuilder
from tests.yard_site import described


class Disk:
    """A Disk that has this much left."""

    def __init__(self, free: int) -> None:
        self.free = free

    def room(self) -> Room:
        """As Disk.room."""
        return Room("/images", self.free)


def request(folder: Path) -> BuildRequest:
    (folder / "Dockerfile").write_text("FROM x\n")
    return BuildRequest("etl", folder, ImageReference(Repository("r.example", "etl"), "key"))


def test_without_room_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        WithRoom(NoBuilder(), Disk(LEAST - 1)).build(request(tmp_path))
    assert caught.value.message == "the engine's disk (/images) has 2.0 GiB left; a build may need 2 GiB"
    assert "docker buildx prune" in caught.value.hint


def test_a_builder_that_is_named_has_a_disk_of_its_own(tmp_path: Path) -> None:
    builder = FakeBuilder(FakeContainerRegistry(), described)
    named = replace(request(tmp_path), builder="farm")
    assert WithRoom(builder, Disk(0)).build(named).flow == "etl"


def test_with_room_it_is_built(tmp_path: Path) -> None:
    builder = FakeBuilder(FakeContainerRegistry(), described)
    assert WithRoom(builder, Disk(LEAST)).build(request(tmp_path)).flow == "etl"
    check_room(None)


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        (None, "/usual"),
        ('{"data-root": "/large"}', "/large"),
        ("{}", "/usual"),
        ("{", "/usual"),
        ("[]", "/usual"),
    ],
)
def test_where_the_engine_keeps_images(tmp_path: Path, settings: str | None, folder: str) -> None:
    file = tmp_path / "daemon.json"
    if settings is not None:
        file.write_text(settings)
    assert EngineDisk({}, file, Path("/usual"), lambda asked: 7).room() == Room(folder, 7)


@pytest.mark.parametrize("name", ["DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_BUILDER"])
def test_a_builder_elsewhere_has_a_disk_of_its_own(tmp_path: Path, name: str) -> None:
    assert EngineDisk({name: "there"}, tmp_path / "none", tmp_path).room() is None


def test_a_folder_that_is_not_here_is_not_watched(tmp_path: Path) -> None:
    assert EngineDisk({}, tmp_path / "none", tmp_path / "nowhere").room() is None
