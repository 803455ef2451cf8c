"""The embedded container registry: the `docker-registry` program, or a container of `registry:2`.

The program comes first because it needs no image: the local target then works where nothing can be pulled.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from flowyard.embedded import engine, process
from flowyard.embedded.addresses import answers
from flowyard.embedded.options import Call
from flowyard.embedded.process import Launch
from flowyard.embedded.state import LOOPBACK, Service, write_private
from flowyard.errors import EngineError, RegistryError

PROGRAM = "docker-registry"
_SECONDS = 30.0
_ENDPOINT = "/v2/"


def healthy(service: Service | None) -> bool:
    """Whether the noted registry itself, and not another one on its port, answers."""
    if service is None or not answers(service.port, _ENDPOINT):
        return False
    if service.container is not None:
        return engine.container_runs(service.container)
    return process.alive(service)


def start(call: Call, port: int) -> Service:
    """Start the registry on loopback and wait until it answers.

    Raises EngineError when there is no way to run one, RegistryError when it does not come up.
    """
    program = None if call.options.registry == "container" else _program(call)
    if program is None:
        return _start_container(call, port)
    file = call.folder / "registry.yml"
    write_private(file, config(call.folder / "registry", port, secrets.token_hex(16)))
    env = process.inherited_environment(call.options.environ)
    launch = Launch("registry", (program, "serve", str(file)), without_overrides(env), call.log("registry"))
    service = process.start(launch, call.folder, port)
    call.undo.callback(process.stop, service)
    problem = process.wait_ready(service, lambda: answers(port, _ENDPOINT), _SECONDS)
    if problem:
        raise _not_up(problem, service)
    return service


def ask_to_stop(service: Service | None) -> None:
    """Send the registry's process SIGTERM without waiting for its end."""
    if service is not None:
        process.ask_to_stop(service)


def stop(service: Service | None, folder: Path) -> bool:
    """Stop the registry, also one that the state does not know; whether there was one. Its images stay."""
    if service is not None and service.container is not None:
        engine.remove_container(service.container)
    elif service is not None:
        process.stop(service)
    return process.stop_marked(folder, "registry") or service is not None


def delete_data(service: Service | None, folder: Path) -> None:
    """Delete every image: the folder, and the volume where a container ran it."""
    shutil.rmtree(folder / "registry", ignore_errors=True)
    (folder / "registry.yml").unlink(missing_ok=True)
    if service is None or service.container is not None:
        with suppress(EngineError):  # without an engine there is no volume to delete
            engine.remove_volume(container_name(folder))


def container_name(folder: Path) -> str:
    """The name of the registry's container and of its volume."""
    return f"flowyard-registry-{process.instance_id(folder)}"


def config(storage: Path, port: int, secret: str) -> str:
    """The program's configuration file. It is JSON, which every YAML reader reads."""
    value = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"{LOOPBACK}:{port}", "secret": secret},
    }
    return json.dumps(value, indent=2) + "\n"


def without_overrides(env: dict[str, str]) -> dict[str, str]:
    """The environment without REGISTRY_*: the program lets them override its configuration file."""
    return {name: value for name, value in env.items() if not name.startswith("REGISTRY_")}


def _program(call: Call) -> str | None:
    found = shutil.which(PROGRAM, path=call.options.environ.get("PATH"))
    if found is None and call.options.registry == "program":
        raise EngineError(
            f"the program {PROGRAM} is not on PATH",
            hint=f"install the package {PROGRAM}, or let a container run the registry",
        )
    return found


def _start_container(call: Call, port: int) -> Service:
    name, image = container_name(call.folder), call.options.registry_image
    service = Service(None, None, port, call.log("registry"), "container", name)
    call.undo.callback(engine.remove_container, name)
    try:
        engine.start_registry_container(name, image, port)
    except EngineError as error:
        raise EngineError(
            f"no container registry can be started: {PROGRAM} is not used and a container of {image} "
            f"does not start ({error.message})",
            hint=f"install the package {PROGRAM}, or make the image {image} available to the engine",
        ) from error
    waiting = process.wait_ready(
        service, lambda: answers(port, _ENDPOINT), _SECONDS, running=lambda: engine.container_runs(name)
    )
    if waiting:
        service.log.parent.mkdir(parents=True, exist_ok=True)
        service.log.write_bytes(engine.container_log(name))
        raise _not_up(waiting, service)
    return service


def _not_up(problem: str, service: Service) -> RegistryError:
    return RegistryError(
        f"the container registry on port {service.port} {problem}; the end of its log:\n"
        f"{process.last_lines(service.log)}",
        hint="the log says why it ended; then run `up` again",
        log=service.log,
    )
