"""Starts buildx itself where a command line starts it through Docker's client.

The client finds its plugins and asks the engine who it is before it hands over, which takes longer than all that
buildx does of its own. The folders and their order are the client's:
https://github.com/docker/cli/blob/master/cli-plugins/manager/manager_unix.go
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowyard.adapters.buildx import LineProcesses
from flowyard.adapters.registry_credentials import config_file, read_config
from flowyard.errors import RegistryError

THROUGH_CLIENT = ("docker", "buildx")
SYSTEM_FOLDERS = tuple(
    Path("/usr", *words, "docker/cli-plugins")
    for words in (("local", "lib"), ("local", "libexec"), ("lib",), ("libexec",))
)


@dataclass(frozen=True, slots=True)
class WithoutClient:
    """LineProcesses whose `docker buildx` is the plugin that the client would start, if that can be told.

    `environ` is the user's environment: that of a build may have a configuration folder of its own.
    """

    processes: LineProcesses
    environ: Mapping[str, str]
    folders: Sequence[Path] = SYSTEM_FOLDERS

    def run(self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        """As LineProcesses.run."""
        words = len(THROUGH_CLIENT)
        if tuple(argv[:words]) == THROUGH_CLIENT and (plugin := buildx_plugin(self.environ, self.folders)):
            argv = [str(plugin), *argv[words:]]
        return self.processes.run(argv, env, on_line)

    def pause(self, seconds: float) -> None:
        """As LineProcesses.pause."""
        self.processes.pause(seconds)

    def stop(self) -> None:
        """As LineProcesses.stop."""
        self.processes.stop()


def buildx_plugin(environ: Mapping[str, str], folders: Sequence[Path] = SYSTEM_FOLDERS) -> Path | None:
    """The plugin that Docker's client would start; None where only the client knows.

    It does where `docker` is a script of somebody's, or the configuration has an alias or folders of plugins.
    """
    client = shutil.which("docker", path=environ.get("PATH"))
    if client is None or _is_script(Path(client)):
        return None
    file = config_file(environ)
    try:
        config = read_config(file) or {}
    except RegistryError:  # the client says so better
        return None
    if config.get("cliPluginsExtraDirs") or config.get("aliases"):
        return None
    for folder in (file.parent / "cli-plugins", *folders):
        plugin = folder / "docker-buildx"
        if plugin.is_file() and os.access(plugin, os.X_OK):
            return plugin.absolute()
    return None


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"
