"""This machine's platform in the words of container registries. Images are built for it when the files name none.

Said out loud instead of left to the builder, because the key has to know it: a laptop and a CI machine with
different processors would otherwise make different images under one key.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from flowyard.configuration.paths import REGISTRY_FILE
from flowyard.errors import ConfigurationError, Problem
from flowyard.values import Project

# What operating systems call their machines, and what container registries do.
_ARCHITECTURES = MappingProxyType(
    {
        "x86_64": "amd64",
        "amd64": "amd64",
        "aarch64": "arm64",
        "arm64": "arm64",
        "armv7l": "arm/v7",
        "i686": "386",
        "ppc64le": "ppc64le",
        "riscv64": "riscv64",
        "s390x": "s390x",
    }
)


def architecture_of(machine: str) -> str | None:
    """The architecture, with its variant where there are several, as in `amd64` and `arm/v7`, of a machine as
    `platform.machine()` calls it; None where it is not known."""
    return _ARCHITECTURES.get(machine.lower())


def with_platforms(project: Project, machine: str) -> Project:
    """The project with this machine's platform for flows that name none; `machine` as for `architecture_of`.

    Raises ConfigurationError for a machine that is not known when a flow needs it.
    """
    if all(flow.platforms for flow in project.flows):
        return project
    architecture = architecture_of(machine)
    if architecture is None:
        text = f'is needed on this machine, whose processor is called "{machine}"; such as ["linux/amd64"]'
        raise ConfigurationError([Problem(REGISTRY_FILE, "defaults.platforms", text)])
    own = (f"linux/{architecture}",)
    return replace(
        project, flows=tuple(replace(flow, platforms=flow.platforms or own) for flow in project.flows)
    )
