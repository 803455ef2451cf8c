"""The builders of `docker buildx`, as `docker buildx inspect` shows them: no version of it prints JSON.

Only the fields before the nodes are read, and a label that BuildKit bears where the engine keeps images in
containerd's store. By that label buildx itself decides what the engine's own builder can do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from flowyard.build import client_environment
from flowyard.building.builders import Builder
from flowyard.building.hints import MINIMUM_BUILDX, hint_for
from flowyard.errors import EngineError
from flowyard.ports import Completed, Processes

_OWN_DRIVER = "docker"
_NEWER_STORE = "org.mobyproject.buildkit.worker.snapshotter:"
_WHERE_IT_IS_NAMED = (
    "name another as `builder`: of the target in registry.toml, or below [build] of registry.local.toml"
)


class BuildxBuilders:
    """As Builders. `environ` is the user's environment, which may choose an engine and a builder itself."""

    def __init__(self, processes: Processes, environ: Mapping[str, str]) -> None:
        self._processes = processes
        self._environ = client_environment(environ)

    def find(self, name: str | None) -> Builder:
        """As Builders.find."""
        done = self._docker("buildx", "inspect", *((name,) if name else ()))
        if done.returncode != 0:
            raise self._why_not(name, done.stderr.strip().removeprefix("ERROR: "))
        fields = _fields(done.stdout)
        plain = fields.get("Driver") == _OWN_DRIVER and _NEWER_STORE not in done.stdout
        return Builder(fields.get("Name") or name or "default", plain)

    def _why_not(self, name: str | None, said: str) -> EngineError:
        names = self._names()
        if name is None or name.lower() in map(str.lower, names) or not names:
            hint = hint_for(said) or f"`docker buildx inspect` has to work: buildx {MINIMUM_BUILDX} or newer"
            return EngineError(f"the builder cannot be looked at: {said or 'docker said nothing'}", hint=hint)
        return EngineError(
            f'there is no builder "{name}" on this machine; there are: {", ".join(names)}',
            hint=f"make it with `docker buildx create --name {name}`, or {_WHERE_IT_IS_NAMED}",
        )

    def _names(self) -> tuple[str, ...]:
        done = self._docker("buildx", "ls", "--format", "{{json .}}")
        found: dict[str, None] = {}  # a builder has a line for each of its nodes
        for line in done.stdout.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                found[str(json.loads(line)["Name"])] = None
        return tuple(sorted(found))

    def _docker(self, *words: str) -> Completed:
        return self._processes.run(("docker", *words), env=self._environ)


def _fields(shown: str) -> dict[str, str]:
    """The `Name: value` lines before the nodes, which have names of their own."""
    lines = shown.partition("\nNodes:")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
