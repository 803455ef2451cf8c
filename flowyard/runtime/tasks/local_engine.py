"""The local Docker engine through its command line, which finds the engine as its user has set it up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

SHARED = "/var/lib/flowyard/local"  # in the container: the folder that both sides see
LABEL = "io.flowyard.docker-task"  # of the container: the run's id
_SECONDS = 60.0  # for questions
_LOOPBACK = ("localhost", "::1")


class EngineFailed(Exception):
    """The engine, or its command line, did not do what it was asked."""


class Container(Protocol):
    """A container that runs as long as its standard input is open."""

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        ...

    def end(self) -> None:
        """Close its standard input: it ends within seconds. It is not waited for."""
        ...


class Engine(Protocol):
    """Questions to the engine, and containers of it."""

    def ask(self, *words: str) -> str:
        """What `docker WORDS` prints. Raises EngineFailed."""
        ...

    def start(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> Container:
        """The container of `docker WORDS`, which writes into `log`. Raises EngineFailed."""
        ...


class CommandLine:
    """As Engine: the docker program."""

    def ask(self, *words: str) -> str:
        """As Engine.ask."""
        try:
            done = subprocess.run(
                ["docker", *words], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineFailed(f"docker {words[0]}: {error}") from error
        if done.returncode:
            raise EngineFailed(f"docker {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> Container:
        """As Engine.start."""
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    ["docker", *words],
                    env={**os.environ, **env},
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the caller alone, which ends it
                )
        except OSError as error:
            raise EngineFailed(f"docker run: {error}") from error
        return _Process(process)


class _Process:
    """The docker program, attached to its container. When this process dies, the input closes by itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def wait(self) -> int:
        """As Container.wait."""
        return self._process.wait()

    def end(self) -> None:
        """As Container.end."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()


@dataclass(frozen=True)
class Start:
    """A container to be started. `env` are its variables, whose values stay out of the command line."""

    image: str
    run: str
    folder: Path
    env: Mapping[str, str]
    network: tuple[str, ...] = ()
    memory: str = ""


def run_words(start: Start) -> tuple[str, ...]:
    """The words after `docker`."""
    return (
        *("run", "--rm", "--interactive", "--pull", "never"),
        *("--name", f"flowyard-task-{start.run}", "--label", f"{LABEL}={start.run}"),
        *start.network,
        *(("--memory", start.memory) if start.memory else ()),
        *("--volume", f"{start.folder}:{SHARED}:z"),
        *(word for name in sorted(start.env) for word in ("--env", name)),
        start.image,
        *("python", "-m", "flowyard.runtime.tasks.local_child", start.run),
    )


def reached(url: str, system: str) -> tuple[str, tuple[str, ...]]:
    """Under which address, and with which network, a container reaches what this machine reaches at `url`.

    `system` is what the engine runs on. One in a virtual machine has a name for the machine around it.
    """
    host = urlsplit(url).hostname or ""
    if host not in _LOOPBACK and not host.startswith("127."):
        return url, ()
    if "Desktop" in system:
        return url.replace(host, "host.docker.internal", 1), ()
    return url, ("--network", "host")
