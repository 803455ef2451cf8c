"""Takes out of the engine what a benchmark left there: its images, and the build cache of its cold rounds.

Only what carries the benchmark's registry in its name or label, or was made while it ran cold.
"""

from __future__ import annotations

import subprocess
from contextlib import closing, suppress

import docker
from docker.errors import ImageNotFound, NotFound

LABEL = "io.flowyard.benchmark"


def remove_images(host: str) -> None:
    """Remove every image of the registry at `host`, those without a tag as well."""
    with closing(docker.from_env()) as engine:
        for image in engine.api.images(filters={"label": f"{LABEL}={host}", "dangling": True}):
            with suppress(ImageNotFound):
                engine.images.remove(image["Id"], force=True)
        for image in engine.api.images():  # not inspected one by one: others come and go meanwhile
            names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            for name in (name for name in names if name.startswith(f"{host}/")):
                with suppress(ImageNotFound):  # the last tag took the digest with it
                    engine.images.remove(name, force=True)


def remove_volume(name: str) -> None:
    """Remove the volume of results, if a run made it. The containers of runs are gone by then."""
    with closing(docker.from_env()) as engine, suppress(NotFound):
        engine.volumes.get(name).remove(force=True)


def cache_records() -> tuple[str, ...]:
    """The ids of all layers in BuildKit's cache, youngest first."""
    with closing(docker.from_env()) as engine:
        records = [record for record in engine.api.df()["BuildCache"] or () if record["Type"] == "regular"]
    records.sort(key=lambda record: str(record["CreatedAt"]), reverse=True)
    return tuple(record["ID"] for record in records)


def remove_cache_records(before: frozenset[str]) -> int:
    """Remove the layers that came after `before` and nothing holds any more; how many. Cache mounts stay.

    A layer can go when those above it have gone, so it goes over them until none is left that can.
    """
    left = [record for record in cache_records() if record not in before]
    came = len(left)
    while left:
        for record in left:
            subprocess.run(
                ["docker", "buildx", "prune", "--force", "--filter", f"id={record}"],
                check=True,
                capture_output=True,
            )
        still = [record for record in cache_records() if record in left]
        if len(still) == len(left):
            break
        left = still
    return came - len(left)
