"""Finds out which Prefect API is meant, and with which credentials, as Prefect itself would.

A profile's credentials, headers and certificates are meant for the server that the profile names, and go to
no other one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowyard.adapters.prefect_settings import Profile, Settings, read_profile
from flowyard.errors import PrefectError
from flowyard.target import PrefectChoice
from flowyard.urls import comparable, is_http_url, without_credentials
from flowyard.values import PrefectAddress, Secret

API_URL = "PREFECT_API_URL"
API_KEY = "PREFECT_API_KEY"
AUTH_STRING = "PREFECT_API_AUTH_STRING"
_CLOUD = re.compile(r"/accounts/[^/]+/workspaces/[^/]+")


def address_from(choice: PrefectChoice, env: Mapping[str, str], profiles: Path) -> PrefectAddress:
    """The address that `choice` names: a URL, a profile, or what Prefect's own settings say.

    A named profile and another PREFECT_API_URL are a contradiction. Raises PrefectError when nothing, or
    nothing single, is named, or a setting has no value of its kind. The embedded API is not looked up here
    (ValueError).
    """
    if choice.embedded:
        raise ValueError("the embedded Prefect API has no configured address")
    wanted = choice.profile or env.get("PREFECT_PROFILE")
    profile = read_profile(wanted, profiles)
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
    settings = Settings(env, profile if own else None)
    address = PrefectAddress(
        api_url=without_credentials(_checked(url)),
        key=_secret(env.get(API_KEY) or (profile.get(API_KEY) if own else None)),
        auth_string=_secret(env.get(AUTH_STRING) or kept or _credentials(url)),
        headers=settings.headers(),
        authorities=settings.authorities(),
        verify=settings.verify(),
        timeout=settings.timeout(),
    )
    if is_cloud(address.api_url) and address.key is None and not _authorizes(address):
        raise PrefectError(
            f"{address.api_url} is a workspace of Prefect Cloud, and there is no API key for it",
            hint=f"set {API_KEY}, or name the profile that holds it (`prefect cloud login` makes one)",
        )
    return address


def is_cloud(api_url: str) -> bool:
    """Whether the URL has the shape of a Prefect Cloud workspace: `.../accounts/ID/workspaces/ID`."""
    return _CLOUD.search(api_url) is not None


def _url(choice: PrefectChoice, env: Mapping[str, str], profile: Profile) -> str:
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


def _authorizes(address: PrefectAddress) -> bool:
    return any(name.lower() == "authorization" for name, _ in address.headers)


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None
