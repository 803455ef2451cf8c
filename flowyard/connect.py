"""A configured target -> a connected one: where the registry and the Prefect API of this run really are.

The embedded services listen where `up` found a free port; that is looked up here, once, and from here on
local and production take the same road.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowyard.adapters.prefect_address import address_from
from flowyard.adapters.prefect_settings import profiles_file
from flowyard.embedded.state import EmbeddedState, api_url, read_state, registry_host
from flowyard.errors import UsageError
from flowyard.program import PROGRAM
from flowyard.state_folder import STATE_FOLDER
from flowyard.target import Target
from flowyard.texts import did_you_mean, quoted
from flowyard.urls import without_credentials
from flowyard.values import PrefectAddress, Project

_CLOUD_API = "https://api.prefect.cloud/api/accounts/"


@dataclass(frozen=True, slots=True)
class Connection:
    """A target whose container registry's host is known, and the address of its Prefect API."""

    target: Target
    prefect: PrefectAddress


def choose_target(project: Project, name: str | None) -> Target:
    """The target of this name, or the default one. Raises UsageError."""
    # An empty name is none: `-t "$TARGET"` with nothing in it is a mistake.
    wanted = project.default_target if name is None else name
    if wanted not in project.targets:
        known = ", ".join(sorted(project.targets))
        raise UsageError(
            f"no target is called {quoted(wanted)}{did_you_mean(wanted, project.targets)}; targets: {known}"
        )
    return project.targets[wanted]


def locate(target: Target, root: Path) -> Target:
    """The target with its container registry's host filled in."""
    if target.registry_host is not None:
        return target
    return replace(target, registry_host=registry_host(read_state(root / STATE_FOLDER)))


def connect(target: Target, root: Path, environ: Mapping[str, str]) -> Connection:
    """Where the target is. Raises UsageError when its embedded services are not up."""
    if not target.prefect.embedded:
        return Connection(locate(target, root), address_from(target.prefect, environ, profiles_file(environ)))
    state: EmbeddedState = read_state(root / STATE_FOLDER)
    if state.prefect is None:
        raise UsageError(
            f"target {target.name} uses the embedded Prefect server, and that is not running",
            hint=f"run `{PROGRAM} up` first",
        )
    return Connection(locate(target, root), PrefectAddress(api_url(state), embedded=True))


def ui_url(address: PrefectAddress) -> str:
    """Where the API's own UI is. Prefect Cloud has it on another host, and calls an account by another path."""
    url = without_credentials(address.api_url)
    if url.startswith(_CLOUD_API):
        account, _, workspace = url.removeprefix(_CLOUD_API).partition("/workspaces/")
        return f"https://app.prefect.cloud/account/{account}/workspace/{workspace}"
    return url.rstrip("/").removesuffix("/api")
