"""The local Docker engine through its command line, which finds the engine as its user has set it up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SHARED = "/var/lib/flowyard/local"  # in the container: the folder that both sides see
LABEL = "io.flowyard.docker-task"  # of the container: the run's id
_SECONDS = 60.0  # for questions
_LINE = 60_000  # bytes of a variable that the docker program takes from a line of a file


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
        """The container of `docker WORDS`, which writes into `log`; `env` are variables of docker itself.

        Raises EngineFailed.
        """
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
        except (OSError, ValueError) as error:  # ValueError: what no variable can hold
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
    """A container to be started, with the folder that it sees and the file its variables are in."""

    image: str
    run: str
    folder: Path
    variables: Variables
    env_file: Path
    network: tuple[str, ...] = ()
    memory: str = ""


@dataclass(frozen=True)
class Variables:
    """Variables of a container, whose values stay out of the command line.

    They come from a file: given to the docker program as its own, a PATH, HOME, DOCKER_HOST or HTTPS_PROXY would
    change where that looks for the engine. `named` are those that no line of a file can hold; it has them as its own.
    """

    lines: Mapping[str, str]
    named: Mapping[str, str]

    @staticmethod
    def of(env: Mapping[str, str]) -> Variables:
        """These variables. Raises EngineFailed."""
        for name in env:
            if name.split() != [name] or name.startswith("#") or "=" in name:
                raise EngineFailed(f"{name!r} cannot be the name of a variable: name it otherwise in `env`")
        lines = {name: value for name, value in env.items() if _fits(name, value)}
        return Variables(lines, {name: value for name, value in env.items() if name not in lines})

    def write(self, path: Path) -> None:
        """Write the file, for this user alone. Raises OSError."""
        text = "".join(f"{name}={value}\n" for name, value in sorted(self.lines.items()))
        path.touch(0o600, exist_ok=False)
        path.write_bytes(text.encode())


def _fits(name: str, value: str) -> bool:
    """Whether docker reads this variable from a line as it is."""
    try:
        size = len(f"{name}={value}".encode())
    except UnicodeEncodeError:
        return False
    return size <= _LINE and not {"\n", "\r", "\0"} & set(value)


def run_words(start: Start) -> tuple[str, ...]:
    """The words after `docker`."""
    return (
        *("run", "--rm", "--interactive", "--pull", "never"),
        *("--name", f"flowyard-task-{start.run}", "--label", f"{LABEL}={start.run}"),
        *start.network,
        *(("--memory", start.memory) if start.memory else ()),
        *("--volume", f"{start.folder}:{SHARED}:z", "--env-file", str(start.env_file)),
        *(word for name in sorted(start.variables.named) for word in ("--env", name)),
        start.image,
        *("python", "-m", "flowyard.runtime.tasks.local_child", start.run),
    )
