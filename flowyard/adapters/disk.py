"""The disk that the Docker engine of this machine keeps its images on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from flowyard.building.room import Room

_SETTINGS, _FOLDER = Path("/etc/docker/daemon.json"), Path("/var/lib/docker")
# Any of these may choose an engine or a builder elsewhere, whose disk is its own to watch.
_ELSEWHERE = ("DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_BUILDER")


class EngineDisk:
    """Told from the engine's settings: asking the engine itself takes a tenth of a second. `free` is what the disk
    of a folder has left."""

    def __init__(
        self,
        environ: Mapping[str, str],
        settings: Path = _SETTINGS,
        folder: Path = _FOLDER,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._environ = environ
        self._settings = settings
        self._folder = folder
        self._free = free

    def room(self) -> Room | None:
        """As Disk.room."""
        if any(self._environ.get(name) for name in _ELSEWHERE):
            return None
        folder = self._folder
        with suppress(OSError, ValueError, AttributeError):
            folder = Path(json.loads(self._settings.read_text("utf-8")).get("data-root") or folder)
        with suppress(OSError):  # rootless engines keep theirs in a home
            return Room(str(folder), self._free(folder))
        return None
