"""What an image and its deployments are made of: fingerprints, by the name people know each under.

The three kinds are kept apart from where each is made, so that nobody has to guess from a name. Only a release
record has them in one list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAPPED = ".mapped-job-variables"  # ends the name of what a deployment's other settings are mapped to
_CALL = "docker task "  # and a flow's name
_SETTINGS = ("work pool", "registration format")
_SETTINGS_BELOW = ("deployments.", "targets.")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one flow: of its `image`, of its `deployments` beside it, and the releases it `calls` as Docker
    tasks, by the called flow's name."""

    image: Mapping[str, str] = field(default_factory=dict)
    deployments: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, str] = field(default_factory=dict)

    @property
    def named_calls(self) -> dict[str, str]:
        """The releases by the names that they have beside other inputs."""
        return {f"{_CALL}{flow}": release for flow, release in self.calls.items()}

    def by_name(self) -> dict[str, str]:
        """All of them in one, as a release record has them."""
        return {**self.image, **self.deployments, **self.named_calls}

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Inputs:
        """The kinds again, of what `by_name` made of them, now or in an earlier version."""
        calls = {name: value for name, value in named.items() if _is_call(name)}
        settings = {name: value for name, value in named.items() if _is_setting(name)}
        image = {name: value for name, value in named.items() if name not in calls and name not in settings}
        return cls(image, settings, {name.removeprefix(_CALL): release for name, release in calls.items()})


# Only names of files hold a slash, so no file passes for another kind, whatever its folder is called.


def _is_call(name: str) -> bool:
    return name.startswith(_CALL) and "/" not in name


def _is_setting(name: str) -> bool:
    return name in _SETTINGS or (name.startswith(_SETTINGS_BELOW) and "/" not in name)
