"""Where a container registry's API is, and how long it may take to answer.

Apart from the client, because these are plain values that must not cost the import of an HTTP library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowyard.errors import RegistryError
from flowyard.images import Repository
from flowyard.references import DEFAULT_HOST, is_registry_host

DOCKER_HUB_API = "registry-1.docker.io"
DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LOOPBACK_IPV4 = re.compile(rf"127(?:\.{_OCTET}){{3}}")
_DOCKER_HUB = frozenset({DEFAULT_HOST, f"index.{DEFAULT_HOST}", DOCKER_HUB_API})


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the client is: all in seconds, but `tries`, which counts the first one too.

    `total` bounds one request with all its retries; `backoff` is the first wait, doubled each time.
    """

    connect: float = 5.0
    read: float = 30.0
    total: float = 30.0
    tries: int = 6
    backoff: float = 0.5


def is_loopback(host: str) -> bool:
    """Whether `host` (perhaps with port or brackets) is this machine: 127.0.0.0/8, ::1 or localhost."""
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    return name in ("localhost", "::1") or _LOOPBACK_IPV4.fullmatch(name) is not None


def api_url(repository: Repository) -> str:
    """The URL below which a repository's manifests and blobs are; plain HTTP on loopback hosts only.

    Raises RegistryError when the host is not one.
    """
    host, path = repository.host, repository.path
    if not is_registry_host(host):
        raise RegistryError(
            f"{host!r} is not the host of a container registry", hint="use a name, perhaps with :port"
        )
    if host in _DOCKER_HUB:
        host = DOCKER_HUB_API
        path = path if "/" in path else f"library/{path}"
    return f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{path}"


def pull_scope(repository: Repository) -> str:
    """The token scope for reading a repository."""
    return f"repository:{api_url(repository).partition('/v2/')[2]}:pull"


def login_key(host: str) -> str:
    """The name under which Docker's configuration keeps the credentials for a host."""
    return DOCKER_HUB_KEY if host in _DOCKER_HUB else host
