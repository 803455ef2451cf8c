"""What `up` can be asked, and what one call of it hands to the parts that start a service.

One value for all of them, so that no part needs more than it and the port it is to use.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flowyard.embedded.state import Ports
from flowyard.ports import Progress
from flowyard.state_folder import LOGS


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What to start. `folder` is the state folder; `poll` is how often the worker asks, in seconds.

    `ports` counts only until the state folder has ports of its own. `registry` chooses how the container
    registry runs: the `docker-registry` program, a container of `registry_image`, or what there is.
    `environ` is the caller's environment; its Prefect settings are kept away from the services. `database` is
    what `--database` says, None for the one it was.
    """

    folder: Path
    work_pool: str
    environ: Mapping[str, str] = field(repr=False)
    ports: Ports = field(default_factory=Ports)
    poll: float = 1.0
    registry: Literal["auto", "program", "container"] = "auto"
    registry_image: str = "registry:2"
    database: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `up`: `undo` stops whatever the call started, unless it comes to its end."""

    options: UpOptions
    progress: Progress
    undo: ExitStack

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.options.folder

    def log(self, name: str) -> Path:
        """The log file of a service."""
        return self.folder / LOGS / f"{name}.log"
