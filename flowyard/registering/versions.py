"""Which versions of Prefect work together: the server's, and the one that an image brings.

Prefect's own client warns about a server that is older than itself and goes on; here what is known to fail is
refused before anything is registered, and the rest is left to work.
"""

from __future__ import annotations

import re

from flowyard.errors import NotFound, PrefectError
from flowyard.ports import PrefectApi

# A server of 3.4 takes deployments, but workers and images of 3.8 cannot send it their events, and runs crash.
OLDEST_SERVER = (3, 6)


def server_version(api: PrefectApi) -> str | None:
    """The version of the Prefect server, None for Prefect Cloud, which has none. Raises PrefectError."""
    try:
        return str(api.request("GET", "/admin/version"))
    except NotFound:
        return None


def check_server(version: str | None) -> None:
    """Raise PrefectError when Flowyard cannot work with a server of this version."""
    if version is None or _release(version) >= OLDEST_SERVER:
        return
    oldest = ".".join(str(part) for part in OLDEST_SERVER)
    raise PrefectError(
        f"the Prefect server is version {version}; Flowyard works with {oldest} and newer ones",
        hint="update the server (before the workers and the images), or name another Prefect API in the target",
    )


def check_image(flow: str, image: str, server: str | None) -> None:
    """Raise PrefectError when runs of an image with Prefect `image` cannot work with the server.

    Within one major version they do, in both directions, from OLDEST_SERVER on. Prefect Cloud (None) takes
    whatever Prefect itself still supports.
    """
    if server is None:
        return
    if _release(image)[0] != _release(server)[0]:
        raise PrefectError(
            f"flow {flow}: its image has Prefect {image}, and the Prefect server is version {server}: "
            "different major versions do not understand each other",
            hint=f"lock the flow with Prefect {_release(server)[0]}, or use a server of version "
            f"{_release(image)[0]}",
        )


def _release(version: str) -> tuple[int, int]:
    """Major and minor version. Raises PrefectError for what is no version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise PrefectError(f"{version!r} is no version of Prefect", hint="is the URL that of a Prefect API?")
    return int(found[1]), int(found[2])
