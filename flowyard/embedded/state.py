"""What is known about the embedded services, kept as JSON in the state folder.

It imports nothing but the standard library, because every plan reads it; the file is a memory and not the
truth: whoever acts on it asks the process as well.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from flowyard.errors import StateError
from flowyard.values import Json

STATE_FILE = "services.json"
LOOPBACK = "127.0.0.1"
_VERSION = 1

ServiceKind = Literal["process", "container"]


@dataclass(frozen=True, slots=True)
class Service:
    """One running service.

    `started` is the process's creation time in seconds since the epoch, which tells it from another process
    that got the same `pid`; both are None for a container. `port` is where the service listens, for the
    worker the port of the Prefect API it polls. `container` is a container's name.
    """

    pid: int | None
    started: float | None
    port: int
    log: Path
    kind: ServiceKind = "process"
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of this project. They outlive `down`, so that image references stay valid."""

    registry: int = 5005
    prefect: int = 4200


@dataclass(frozen=True, slots=True)
class EmbeddedState:
    """The embedded services as `up` left them; None is one that was never started or was stopped.

    `ports` is None until the first `up`; `work_pool` is the work pool that the worker polls; `postgres` is
    the Prefect server's database where it is a PostgreSQL of its own.
    """

    registry: Service | None = None
    prefect: Service | None = None
    worker: Service | None = None
    ports: Ports | None = None
    work_pool: str | None = None
    postgres: Service | None = None


def registry_host(state: EmbeddedState) -> str:
    """Host and port of the container registry, as image references name it, running or not."""
    return f"{LOOPBACK}:{(state.ports or Ports()).registry}"


def api_url(state: EmbeddedState) -> str:
    """The Prefect API's URL on this machine, running or not."""
    return f"http://{LOOPBACK}:{(state.ports or Ports()).prefect}/api"


def read_state(folder: Path) -> EmbeddedState:
    """The state kept in `folder`; an empty one when there is none.

    Raises StateError when the file is there and cannot be understood.
    """
    file = folder / STATE_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return EmbeddedState()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, str(error)) from error
    try:
        return _decode(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(file, f"{type(error).__name__}: {error}") from error


def write_state(folder: Path, state: EmbeddedState) -> None:
    """Replace the state kept in `folder` in one step, so that a reader never sees half a file."""
    value = {"version": _VERSION, **asdict(state)}
    temporary = folder / f"{STATE_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
    temporary.replace(folder / STATE_FILE)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, also while it is being written."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    temporary.replace(file)


def _unreadable(file: Path, why: str) -> StateError:
    return StateError(
        f"{file} cannot be read ({why})",
        hint="run `up`: it finds the services it had started and writes the file anew",
    )


def _decode(value: Json) -> EmbeddedState:
    if value["version"] != _VERSION:
        raise ValueError(f"version {value['version']!r} is not {_VERSION}")
    ports, pool = value["ports"], value["work_pool"]
    return EmbeddedState(
        registry=_service(value["registry"]),
        prefect=_service(value["prefect"]),
        worker=_service(value["worker"]),
        ports=None if ports is None else Ports(int(ports["registry"]), int(ports["prefect"])),
        work_pool=None if pool is None else str(pool),
        postgres=_service(value.get("postgres")),  # written since there can be one
    )


def _service(value: Json) -> Service | None:
    if value is None:
        return None
    kind = value["kind"]
    if kind == "process":
        return Service(int(value["pid"]), float(value["started"]), int(value["port"]), Path(value["log"]))
    if kind == "container":
        return Service(None, None, int(value["port"]), Path(value["log"]), kind, str(value["container"]))
    raise ValueError(f"kind {kind!r} is neither 'process' nor 'container'")
