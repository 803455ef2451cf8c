"""A login for one program only, beside what the user's Docker configuration says.

The program gets a configuration folder of its own: the user's, by links, and a config.json that is the user's but for
the credentials in it. Those, and the login, are in the program's environment, where a helper program reads them. So no
secret is in a file or on a command line, the user's files stay as they are, and contexts, plugins, builders and
credential helpers keep working.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flowyard.adapters.registry_credentials import config_file, read_config
from flowyard.values import Credentials, Json, Secret

HELPER = "flowyard"
_VARIABLE = "FLOWYARD_LOGIN_"
_IDENTITY = "<token>"  # what Docker takes for the user's name where the secret is an identity token
# Docker knows the last line, and then looks no further: https://github.com/docker/docker-credential-helpers
_SCRIPT = """#!/bin/sh
# Flowyard's, for one push: prints a login from the environment.
[ "$1" = get ] || exit 1
read -r host || [ -n "$host" ] || exit 1
case $host in
{cases}
esac
echo 'credentials not found in native keychain'
exit 1
"""


@contextmanager
def logged_in(environ: Mapping[str, str], host: str, credentials: Credentials) -> Iterator[dict[str, str]]:
    """The environment of a program that is logged in to `host`, and to what `environ` is logged in to.

    Raises RegistryError where the user's configuration cannot be read.
    """
    file = config_file(environ)
    config = read_config(file) or {}
    logins = {**_kept_logins(config), host: credentials}
    with tempfile.TemporaryDirectory(prefix="flowyard-docker-") as made:
        folder = Path(made)
        _link(file.parent.absolute(), folder)
        (folder / "config.json").write_text(json.dumps(_without_secrets(config, logins)), "utf-8")
        helper = folder / f"docker-credential-{HELPER}"
        helper.write_text(_script(tuple(logins)), "utf-8")
        helper.chmod(0o700)
        yield {
            **environ,
            **{f"{_VARIABLE}{number}": _answer(*login) for number, login in enumerate(logins.items())},
            "DOCKER_CONFIG": str(folder),
            "BUILDX_CONFIG": environ.get("BUILDX_CONFIG") or str(file.parent.absolute() / "buildx"),
            "PATH": os.pathsep.join(filter(None, (str(folder), environ.get("PATH")))),
        }


def _kept_logins(config: Mapping[str, Json]) -> dict[str, Credentials]:
    """The logins that the configuration itself holds, by every name that Docker finds them under. With a
    store for all hosts it looks for none there."""
    if config.get("credsStore"):
        return {}
    found: dict[str, Credentials] = {}
    for key, entry in (config.get("auths") or {}).items():
        login = _login(entry) if isinstance(entry, dict) else None
        if login is not None:
            found.setdefault(key, login)
            found.setdefault(_hostname(key), login)
    return {key: login for key, login in found.items() if key not in (config.get("credHelpers") or {})}


def _login(entry: Mapping[str, Json]) -> Credentials | None:
    """The login in an entry of `auths`; None for one that holds none, or that Docker could not read either."""
    if token := entry.get("identitytoken"):
        return Credentials("", Secret(str(token)), identity_token=True)
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        if entry.get("auth"):
            username, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
    except ValueError:
        return None
    return Credentials(username, Secret(password.rstrip("\0"))) if username and password else None


def _hostname(key: str) -> str:
    """The host that Docker takes a key for: without scheme and path."""
    return key.removeprefix("http://").removeprefix("https://").partition("/")[0]


def _without_secrets(config: Mapping[str, Json], logins: Mapping[str, Credentials]) -> dict[str, Json]:
    helpers = {**(config.get("credHelpers") or {}), **dict.fromkeys(logins, HELPER)}
    return {**{key: value for key, value in config.items() if key != "auths"}, "credHelpers": helpers}


def _link(user: Path, folder: Path) -> None:
    """Contexts, plugins, certificates and what else Docker keeps beside its configuration."""
    for entry in user.iterdir() if user.is_dir() else ():
        if entry.name != "config.json":
            (folder / entry.name).symlink_to(entry)


def _script(hosts: tuple[str, ...]) -> str:
    cases = (
        f"  {shlex.quote(host)}) printf '%s' \"${_VARIABLE}{number}\"; exit 0 ;;"
        for number, host in enumerate(hosts)
    )
    return _SCRIPT.format(cases="\n".join(cases))


def _answer(host: str, credentials: Credentials) -> str:
    """What a credential helper prints."""
    username = _IDENTITY if credentials.identity_token else credentials.username
    return json.dumps({"ServerURL": host, "Username": username, "Secret": credentials.secret.reveal()})
