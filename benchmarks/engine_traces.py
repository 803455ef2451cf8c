"""Takes out of the engine what a benchmark left there: its images, and the build cache of its cold rounds.

Only what carries the benchmark's registry in its name or label, or was made while it ran cold.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import docker
from docker.errors import ImageNotFound

LABEL = "io.flowyard.benchmark"


def remove_images(host: str) -> None:
    """Remove every image of the registry at `host`, those without a tag as well."""
    with closing(docker.from_env()) as engine:
        untagged = engine.images.list(filters={"label": f"{LABEL}={host}", "dangling": True})
        for image in untagged:
            with suppress(ImageNotFound):
                engine.images.remove(image.id, force=True)
        for image in engine.images.list():
            names = [*(image.attrs["RepoTags"] or ()), *(image.attrs["RepoDigests"] or ())]
            for name in (name for name in names if name.startswith(f"{host}/")):
                with suppress(ImageNotFound):  # the last tag took the digest with it
                    engine.images.remove(name, force=True)


def cache_records() -> frozenset[str]:
    """The ids of all layers in BuildKit's cache."""
    with closing(docker.from_env()) as engine:
        return frozenset(_layers(engine.api.df()))


def remove_cache_records(before: frozenset[str]) -> int:
    """Remove the layers that came after `before`, children first; how many. Cache mounts stay."""
    removed = 0
    with closing(docker.from_env()) as engine:
        while new := sorted(_layers(engine.api.df()).keys() - before):
            gone = 0
            for record in new:
                gone += len(engine.api.prune_builds(filters={"id": record}, all=True).get("CachesDeleted") or ())
            if not gone:
                break
            removed += gone
    return removed


def _layers(usage: Any) -> dict[str, Any]:
    return {record["ID"]: record for record in usage["BuildCache"] or () if record["Type"] == "regular"}
