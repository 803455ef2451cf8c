from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowyard.adapters.buildx_plugin import WithoutClient, buildx_plugin
from flowyard.values import Json

PROGRAM = b"\x7fELF"
BUILD = ("docker", "buildx", "build", ".")


@dataclass
class Machine:
    """A machine with Docker's client on PATH, buildx in a system folder, and a user."""

    root: Path
    client: bytes = PROGRAM
    config: Json = None
    folders: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.folders = (self.root / "local", self.root / "system")
        self.executable("bin/docker", self.client)
        self.system = self.executable("system/docker-buildx", PROGRAM)
        (self.root / "home/.docker").mkdir(parents=True)
        if self.config is not None:
            (self.root / "home/.docker/config.json").write_text(json.dumps(self.config))

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": str(self.root / "bin"), "HOME": str(self.root / "home")}

    def executable(self, path: str, content: bytes, mode: int = 0o755) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
        return file

    def plugin(self, **changes: str) -> Path | None:
        return buildx_plugin({**self.environ, **changes}, self.folders)


@dataclass
class Started:
    """LineProcesses that note what is started."""

    said: list[object] = field(default_factory=list)

    def run(self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        self.said.append((list(argv), dict(env)))
        on_line("a line")
        return 3

    def pause(self, seconds: float) -> None:
        self.said.append(seconds)

    def stop(self) -> None:
        self.said.append("stop")


def test_the_first_plugin_that_the_client_would_find(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.plugin() == machine.system
    machine.executable("local/docker-buildx", PROGRAM, mode=0o644)  # which nobody can start
    assert machine.plugin() == machine.system
    local = machine.executable("local/docker-buildx", PROGRAM)
    assert machine.plugin() == local
    own = machine.executable("home/.docker/cli-plugins/docker-buildx", PROGRAM)
    assert machine.plugin() == own
    other = machine.executable("other/cli-plugins/docker-buildx", PROGRAM)
    assert machine.plugin(DOCKER_CONFIG=str(tmp_path / "other")) == other


@pytest.mark.parametrize("config", [{"cliPluginsExtraDirs": ["/opt/plugins"]}, {"aliases": {"builder": "b"}}])
def test_a_configuration_that_chooses_plugins_is_for_the_client(tmp_path: Path, config: Json) -> None:
    assert Machine(tmp_path, config=config).plugin() is None


def test_a_configuration_of_other_things_chooses_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path, config={"auths": {}, "aliases": {}})
    assert machine.plugin() == machine.system


def test_a_configuration_that_cannot_be_read_is_for_the_client_to_tell(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "home/.docker/config.json").write_text("{")
    assert machine.plugin() is None


def test_a_script_called_docker_is_somebodys(tmp_path: Path) -> None:
    assert Machine(tmp_path, client=b"#!/bin/sh\nexec podman").plugin() is None


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.system.unlink()
    assert machine.plugin() is None
    assert machine.plugin(PATH=str(tmp_path)) is None


def test_the_plugin_is_started_in_the_environment_of_the_build(tmp_path: Path) -> None:
    machine, started, lines = Machine(tmp_path), Started(), list[str]()
    processes = WithoutClient(started, machine.environ, machine.folders)
    assert processes.run(BUILD, {"DOCKER_CONFIG": "one"}, lines.append) == 3
    processes.pause(2.5)
    processes.stop()
    assert started.said == [
        ([str(machine.system), "build", "."], {"DOCKER_CONFIG": "one"}),
        2.5,
        "stop",
    ]
    assert lines == ["a line"]


def test_the_client_is_started_where_it_alone_knows(tmp_path: Path) -> None:
    machine, started = Machine(tmp_path, client=b"#!"), Started()
    WithoutClient(started, machine.environ, machine.folders).run(BUILD, {}, print)
    WithoutClient(started, {**machine.environ, "PATH": ""}, machine.folders).run(
        ["docker", "pull"], {}, print
    )
    assert started.said == [(list(BUILD), {}), (["docker", "pull"], {})]
