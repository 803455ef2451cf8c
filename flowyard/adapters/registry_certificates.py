"""Which authorities a container registry's certificate may be signed by, beside the system's own.

The Docker engine reads them from `certs.d/HOST/*.crt`. Reading the same files means that a registry with a
private authority is set up in one place, and not trusted for any other host.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from flowyard.errors import RegistryError

SYSTEM = Path("/etc/docker/certs.d")


def authorities(host: str, environ: Mapping[str, str], system: Path = SYSTEM) -> tuple[Path, ...]:
    """The certificate files for `host` (with port), in the engine's folder and in the user's."""
    home = Path(environ.get("HOME") or Path.home())
    # The engine's, a rootless engine's, and Docker Desktop's.
    folders = (system, home / ".config/docker/certs.d", home / ".docker/certs.d")
    return tuple(file for folder in folders for file in sorted((folder / host).glob("*.crt")))


def tls_context(files: tuple[Path, ...]) -> ssl.SSLContext:
    """Trusts what the system (or SSL_CERT_FILE) does and the authorities in `files`.

    Raises RegistryError when one of them cannot be read.
    """
    context = ssl.create_default_context()
    for file in files:
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(
                f"{file} cannot be read as certificates in PEM form ({error.strerror or error})",
                hint="replace it with the authority's certificate, or remove it",
            ) from None
    return context
