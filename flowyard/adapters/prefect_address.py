"""Finds out which Prefect API is meant, and with which credentials, as Prefect itself would.

It reads Prefect's environment variables and profiles.toml itself, because importing prefect for three
settings costs one to two seconds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from flowyard.errors import PrefectError
from flowyard.target import PrefectChoice
from flowyard.urls import comparable, is_http_url, without_credentials
from flowyard.values import PrefectAddress, Secret

API_URL = "PREFECT_API_URL"
API_KEY = "PREFECT_API_KEY"
AUTH_STRING = "PREFECT_API_AUTH_STRING"
_CLOUD = re.compile(r"/accounts/[^/]+/workspaces/[^/]+")


@dataclass(frozen=True, slots=True)
class _Profile:
    """One profile of profiles.toml, or no profile at all (`name` is None)."""

    name: str | None
    settings: Mapping[str, Any]
    known: tuple[str, ...] = ()

    @property
    def others(self) -> str:
        """The profiles that are there, for a message."""
        return f"it has: {', '.join(self.known)}" if self.known else "it has none"

    def get(self, setting: str) -> str | None:
        value = self.settings.get(setting)
        return str(value) if value else None


def profiles_file(env: Mapping[str, str]) -> Path:
    """Where Prefect keeps its profiles, in its own order of precedence. It need not exist."""
    if path := env.get("PREFECT_PROFILES_PATH"):
        return Path(path)
    home = env.get("PREFECT_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".prefect") / "profiles.toml"


def address_from(choice: PrefectChoice, env: Mapping[str, str], profiles: Path) -> PrefectAddress:
    """The address that `choice` names: a URL, a profile, or what Prefect's own settings say.

    A named profile and another PREFECT_API_URL are a contradiction. The credentials of a profile go to
    that profile's own URL only. Raises PrefectError when nothing, or nothing single, is named. The embedded
    API is not looked up here (ValueError).
    """
    if choice.embedded:
        raise ValueError("the embedded Prefect API has no configured address")
    wanted = choice.profile or env.get("PREFECT_PROFILE")
    profile = _profile(wanted, profiles)
    if wanted and profile.name is None and choice.api is None and not env.get(API_URL):
        by = "" if choice.profile else " (PREFECT_PROFILE)"
        raise PrefectError(
            f"{profiles} has no profile {wanted!r}{by}, and {API_URL} is not set; {profile.others}",
            hint=f"make it (`prefect profile create {wanted}`), or set {API_URL} and {API_KEY}",
        )
    url = _url(choice, env, profile)
    its_url = profile.get(API_URL)
    own = its_url is None or comparable(its_url) == comparable(url)
    kept = profile.get(AUTH_STRING) if own else None
    address = PrefectAddress(
        api_url=without_credentials(_checked(url)),
        key=_secret(env.get(API_KEY) or (profile.get(API_KEY) if own else None)),
        auth_string=_secret(env.get(AUTH_STRING) or kept or _credentials(url)),
    )
    if is_cloud(address.api_url) and address.key is None:
        raise PrefectError(
            f"{address.api_url} is a workspace of Prefect Cloud, and there is no API key for it",
            hint=f"set {API_KEY}, or name the profile that holds it (`prefect cloud login` makes one)",
        )
    return address


def is_cloud(api_url: str) -> bool:
    """Whether the URL has the shape of a Prefect Cloud workspace: `.../accounts/ID/workspaces/ID`."""
    return _CLOUD.search(api_url) is not None


def _url(choice: PrefectChoice, env: Mapping[str, str], profile: _Profile) -> str:
    variable, kept = env.get(API_URL), profile.get(API_URL)
    if choice.api is not None:
        if variable and comparable(variable) != comparable(choice.api):
            # The key in the environment is meant for the URL beside it, not for whatever a file names.
            raise _contradiction(f"API {without_credentials(choice.api)}", variable)
        return choice.api
    if choice.profile and variable and kept and comparable(variable) != comparable(kept):
        raise _contradiction(f"profile {choice.profile!r} ({without_credentials(kept)})", variable)
    url = variable or kept
    if url is None:
        where = f"the profile {profile.name!r} has none" if profile.name else "there is no active profile"
        raise PrefectError(
            f"no Prefect API is named: {API_URL} is not set and {where}",
            hint=f"set {API_URL}, or name one in the target: prefect.api or prefect.profile",
        )
    return url


def _contradiction(named: str, variable: str) -> PrefectError:
    return PrefectError(
        f"the target names the Prefect {named}, but {API_URL} is {without_credentials(variable)}",
        hint=f"unset {API_URL}, or make both the same",
    )


def _profile(name: str | None, file: Path) -> _Profile:
    """The named profile, or the active one; an empty one when the file has no such profile."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _Profile(None, {})
    except (OSError, ValueError) as error:
        raise PrefectError(f"{file} cannot be read: {error}", hint="correct it, or remove it") from error
    profiles = content.get("profiles", {})
    chosen = name or content.get("active")
    settings = profiles.get(chosen) if isinstance(profiles, dict) else None
    if isinstance(settings, dict):
        return _Profile(chosen, settings)
    return _Profile(None, {}, tuple(sorted(profiles)) if isinstance(profiles, dict) else ())


def _checked(url: str) -> str:
    if not is_http_url(url):
        raise PrefectError(
            f"the Prefect API is {without_credentials(url)!r}, which is not an http or https URL",
            hint="it looks like https://prefect.example.com/api",
        )
    return url.rstrip("/")


def _credentials(url: str) -> str | None:
    """`user:password` of a URL that holds them, which Prefect's own client sends as Basic authentication."""
    found, separator, _ = urlsplit(url).netloc.rpartition("@")
    return unquote(found) if separator else None


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None
