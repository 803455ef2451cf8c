"""`clean` on the real engine: what nothing needs goes, with its part of the build cache, and nothing else."""

from __future__ import annotations

import json
import os
from typing import Any

import docker
from docker.errors import ImageNotFound

from flowyard.state_folder import BUILD_LOGS, STATE_FOLDER
from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

LARGE = 5_000_000  # bytes that no other image has


def edition(project: SmallProject) -> str:
    """Ship the flow with another large file; the image it is deployed in."""
    project.flow("clean_probe")
    (project.root / "flows/clean_probe/numbers.bin").write_bytes(os.urandom(LARGE))
    project.shipped()
    return str(project.deployment("clean_probe")["job_variables"]["image"])


def cleaned(project: SmallProject, *words: str) -> dict[str, Any]:
    """Run the program; what it says as JSON."""
    done = project.program("clean", "--json", "--releases", "1", *words)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def there(engine: docker.DockerClient, image: str) -> bool:
    try:
        engine.images.get(image)
    except ImageNotFound:
        return False
    return True


def large_steps(engine: docker.DockerClient) -> int:
    """The steps that BuildKit keeps of the large files."""
    kept = engine.api.df()["BuildCache"] or ()
    return sum(1 for one in kept if "flows/clean_probe" in one["Description"] and one["Size"] >= LARGE)


def test_what_nothing_needs_goes_with_its_steps(project: SmallProject, engine: docker.DockerClient) -> None:
    before = large_steps(engine)
    first, used, deployed = (edition(project) for _ in range(3))
    ids = {image: str(engine.images.get(image).id) for image in (first, used, deployed)}
    log = project.root / STATE_FOLDER / BUILD_LOGS / "gone.log"
    log.write_text("of a flow that is no more")
    container = engine.containers.create(used)
    try:
        planned = cleaned(project, "--dry-run")
        assert [one["id"] for one in planned["images"]] == [ids[first]]
        assert planned["at_least"] >= LARGE
        assert planned["freed"] is None
        assert there(engine, first)
        assert log.exists()

        done = cleaned(project)
        assert [one["id"] for one in done["images"]] == [ids[first]]
        assert str(log.relative_to(project.root)) in done["files"]
        assert {one["id"]: one["why"] for one in done["kept"]} == {
            ids[used]: "there is a container of it",
            ids[deployed]: "it is deployed, pinned or of a release that is kept",
        }
        assert [there(engine, one) for one in (first, used, deployed)] == [False, True, True]
        assert not log.exists()
        assert large_steps(engine) == before + 2
    finally:
        container.remove(force=True)
    assert [one["id"] for one in cleaned(project)["images"]] == [ids[used]]
    assert large_steps(engine) == before + 1
    assert [there(engine, one) for one in (used, deployed)] == [False, True]
    assert cleaned(project)["images"] == []
