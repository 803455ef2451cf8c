"""Finds the credentials that `docker login` stored for a container registry.

The `docker` package reads the configuration as Docker means it; this adds clear errors, and is imported
only when a registry asks who is there, because that package is slow to import.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from flowyard.errors import RegistryError
from flowyard.values import Credentials, Json, Secret

_SECTIONS = ("auths", "credsStore", "credHelpers")


class DockersOwn:
    """The Logins that leave every host to Docker's configuration."""

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """As Logins.credentials."""
        return None


def config_file(environ: Mapping[str, str]) -> Path:
    """Docker's configuration file: in DOCKER_CONFIG, or in .docker of the home folder."""
    folder = environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path(environ.get("HOME") or Path.home()) / ".docker") / "config.json"


def read_credentials(key: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials kept under `key` (a host, or Docker Hub's index URL); None when there are none.

    Runs `docker-credential-NAME get` where the configuration names a helper. Raises RegistryError when the
    file or the helper cannot be used; what they hold is never in the message.
    """
    file = config_file(environ)
    document = read_config(file)
    return None if document is None else find_credentials(login_sections(document), key, file)


def read_config(file: Path) -> dict[str, Json] | None:
    """Docker's configuration, None where there is none. Raises RegistryError when it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RegistryError(f"{file} cannot be read ({reason})") from None
    return parse_config(text, file)


def parse_config(text: str, file: Path) -> dict[str, Json]:
    """Docker's configuration in `text`, read from `file`. Raises RegistryError when it is not JSON."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RegistryError(
            f"{file} is not a JSON object", hint="repair it, or move it away and `docker login` again"
        )
    return document


def login_sections(document: Mapping[str, Json]) -> dict[str, Json]:
    """The parts of Docker's configuration that are about credentials; empty entries are left out."""
    sections = {name: document[name] for name in _SECTIONS if document.get(name)}
    if isinstance(sections.get("auths"), dict):
        sections["auths"] = {
            host: {name: value for name, value in entry.items() if value}
            if isinstance(entry, dict)
            else entry
            for host, entry in sections["auths"].items()
        }
    return sections


def find_credentials(sections: dict[str, Json], key: str, file: Path) -> Credentials | None:
    """What `sections` or the helper they name hold for `key`. Raises RegistryError like read_credentials."""
    if not sections:
        return None
    from docker import auth, errors

    try:
        config = auth.load_config(config_dict=dict(sections))
        helper = config.get_credential_store(key)
    except (errors.DockerException, ValueError, TypeError, AttributeError):
        hint = f"`docker logout {key}` and `docker login {key}` write it anew"
        raise RegistryError(f"{file}: the credentials in it cannot be read", hint=hint) from None
    if helper is not None and shutil.which(f"docker-credential-{helper}") is None:
        raise RegistryError(
            f"{file} names docker-credential-{helper}, which is not on PATH",
            hint="install it, or take it out of the file and `docker login` again",
        )
    try:
        found = auth.resolve_authconfig(config, key)
    except (errors.DockerException, ValueError, KeyError, TypeError):
        # The helper's own words are left out: they may repeat what it keeps.
        hint = f"see what it says: echo {key} | docker-credential-{helper} get"
        raise RegistryError(
            f"docker-credential-{helper} could not tell the credentials of {key}", hint=hint
        ) from None
    return as_credentials(found or {})


def as_credentials(found: Mapping[str, str]) -> Credentials | None:
    """The `docker` package's answer, whose names begin with a capital when a helper gave it."""
    if token := found.get("IdentityToken"):
        return Credentials("", Secret(token), identity_token=True)
    username = found.get("Username") or found.get("username")
    password = found.get("Password") or found.get("password")
    if not username or not password:
        return None
    return Credentials(username, Secret(password.rstrip("\0")))
