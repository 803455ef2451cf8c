"""What the embedded services ask of the Docker engine: its bridge, a registry container, run containers.

The `docker` package is imported where it is used, because a call of `up` that finds everything healthy
needs none of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

from flowyard.adapters.engine import engine

_ASK_SECONDS = 3.0  # what containers get to end by themselves after SIGTERM
_KILL_SECONDS = 10.0


def bridge_gateway() -> str | None:
    """The IPv4 address under which containers reach this machine, or None where it is not ours.

    It is the default bridge's gateway, which `host-gateway` stands for. An engine in a virtual machine has
    its gateway there and forwards `host.docker.internal` to this machine's loopback by itself.
    """
    with engine() as client:
        settings = client.networks.get("bridge").attrs["IPAM"]["Config"] or []
    own = {address.address for found in psutil.net_if_addrs().values() for address in found}
    for entry in settings:
        gateway = entry.get("Gateway", "")
        if gateway in own and ":" not in gateway:
            return str(gateway)
    return None


def start_registry_container(name: str, image: str, port: int) -> None:
    """Start `image` on loopback under `name`, with the volume of the same name, replacing an old one.

    `port` is the port on this machine. Raises EngineError, also when the image cannot be had.
    """
    remove_container(name)
    with engine() as client:
        client.containers.run(
            image,
            name=name,
            detach=True,
            environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true", "OTEL_TRACES_EXPORTER": "none"},
            ports={"5000/tcp": ("127.0.0.1", port)},
            volumes={name: {"bind": "/var/lib/registry", "mode": "rw"}},
        )


def container_runs(name: str) -> bool:
    """Whether the container runs. A container that is not there does not."""
    from docker.errors import NotFound

    with engine() as client:
        try:
            return bool(client.containers.get(name).status == "running")
        except NotFound:
            return False


def container_log(name: str) -> bytes:
    """The last lines a container printed; nothing when it is gone."""
    from docker.errors import NotFound

    with engine() as client:
        try:
            return bytes(client.containers.get(name).logs(tail=50))
        except NotFound:
            return b""


def remove_container(name: str) -> None:
    """Stop and remove the container; its named volume stays."""
    from docker.errors import NotFound

    with engine() as client, suppress(NotFound):
        container = client.containers.get(name)
        container.stop(timeout=int(_ASK_SECONDS))
        container.remove(force=True)


def remove_volume(name: str) -> None:
    """Remove the named volume with all its data, if it is there."""
    from docker.errors import NotFound

    with engine() as client, suppress(NotFound):
        client.volumes.get(name).remove(force=True)


def stop_labelled(label: str) -> tuple[Mapping[str, str], ...]:
    """End the running containers with this label (`name=value`); returns the labels of each.

    All are sent SIGTERM at once and killed three seconds later: a container whose first process does not
    handle SIGTERM ignores it, and waiting for one after the other would add up.
    """
    from docker.errors import APIError

    with engine() as client:
        found = client.containers.list(filters={"label": label}, ignore_removed=True)
        for sign, seconds in (("SIGTERM", _ASK_SECONDS), ("SIGKILL", _KILL_SECONDS)):
            running = client.containers.list(filters={"label": label}, ignore_removed=True)
            for container in running:
                with suppress(APIError):  # it ended by itself in the meantime
                    container.kill(sign)
            deadline = time.monotonic() + seconds
            while running and time.monotonic() < deadline:
                time.sleep(0.1)
                running = client.containers.list(filters={"label": label}, ignore_removed=True)
        return tuple(dict(container.labels) for container in found)
