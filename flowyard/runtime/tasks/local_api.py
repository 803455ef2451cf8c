"""How a container of this machine reaches the Prefect API that its caller has here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flowyard.runtime.start import FILES, KEPT
from flowyard.runtime.tasks.local_engine import SHARED, EngineFailed

_LOOPBACK = ("localhost", "::1")


def api_environment() -> dict[str, str]:
    """What reaching it takes, wherever Prefect has it from; where there is no API, Prefect starts one."""
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    known = {name: value for name, value in settings.items() if name in KEPT}
    return {**known, "PREFECT_API_URL": str(get_client(sync_client=True).api_url)}


def with_files(api: Mapping[str, str], shared: Path) -> dict[str, str]:
    """The variables, with a copy of the files they name where the container sees it. Raises EngineFailed.

    `shared` is the folder that is SHARED in the container.
    """
    found = dict(api)
    for name in FILES:
        if not found.get(name):
            continue
        copy = shared / name.lower()
        try:
            if not copy.exists():
                shutil.copyfile(found[name], copy)
                copy.chmod(0o644)  # the container's user is another
        except OSError as error:
            raise EngineFailed(f"{name} cannot be brought into the container: {error}") from error
        found[name] = f"{SHARED}/{copy.name}"
    return found


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
