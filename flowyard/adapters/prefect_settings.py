"""Prefect's own settings, as its client would read them: from the environment, and from a profile.

Importing prefect for a few settings costs one to two seconds. What a value was is never shown where it may be
a secret, such as a header that opens the way through a proxy.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowyard.errors import PrefectError
from flowyard.values import Secret

SKIP_VERIFY = "PREFECT_API_TLS_INSECURE_SKIP_VERIFY"
AUTHORITIES = "PREFECT_API_SSL_CERT_FILE"
TIMEOUT = "PREFECT_API_REQUEST_TIMEOUT"
HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"
# Prefect's client leaves these out of custom headers too.
_MANAGED = frozenset({"user-agent", "prefect-csrf-token", "prefect-csrf-client"})
_YES = frozenset({"1", "on", "t", "true", "y", "yes"})
_NO = frozenset({"0", "off", "f", "false", "n", "no"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of profiles.toml, or no profile at all (`name` is None)."""

    name: str | None
    settings: Mapping[str, Any]
    file: Path
    known: tuple[str, ...] = ()

    @property
    def others(self) -> str:
        """The profiles that are there, for a message."""
        return f"it has: {', '.join(self.known)}" if self.known else "it has none"

    def get(self, setting: str) -> str | None:
        """The setting as text, None without a value."""
        value = self.settings.get(setting)
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, and after it a profile (None when its settings are not for this server)."""

    environ: Mapping[str, str]
    profile: Profile | None

    def verify(self) -> bool:
        """Whether the server's certificate counts. Raises PrefectError for a value that is no switch."""
        value, where = self._found(SKIP_VERIFY)
        word = str(value or "no").strip().lower()
        if word not in _YES | _NO:
            raise _wrong(SKIP_VERIFY, where, f"is {value!r}, which is neither true nor false")
        return word in _NO

    def authorities(self) -> Path | None:
        """The file with the authorities that count instead of the system's. Raises PrefectError without it."""
        value, where = self._found(AUTHORITIES)
        if not value:
            return None
        if not isinstance(value, str) or not Path(value).is_file():
            raise _wrong(AUTHORITIES, where, f"names {str(value)!r}, and there is no such file")
        return Path(value)

    def timeout(self) -> float | None:
        """Seconds to wait for an answer. Raises PrefectError for what is no such number."""
        value, where = self._found(TIMEOUT)
        if not value:
            return None
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not (math.isfinite(seconds) and seconds > 0):
            raise _wrong(TIMEOUT, where, f"is {value!r}, which is no number of seconds above 0")
        return seconds

    def headers(self) -> tuple[tuple[str, Secret], ...]:
        """What every request carries, without what the client itself manages. Raises PrefectError."""
        value, where = self._found(HEADERS)
        if not value:
            return ()
        try:
            content = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            content = None
        if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
            raise _wrong(HEADERS, where, 'is no JSON object of texts, such as {"X-Team": "data"}')
        wrong = sorted(name for name, text in content.items() if not _is_header(name, text))
        if wrong:
            raise _wrong(HEADERS, where, f"has headers that HTTP cannot carry: {', '.join(map(repr, wrong))}")
        kept = sorted((name, text) for name, text in content.items() if name.lower() not in _MANAGED)
        return tuple((name, Secret(text)) for name, text in kept)

    def _found(self, name: str) -> tuple[Any, str]:
        """The value, and where it is written, for a message."""
        if value := self.environ.get(name):
            return value, "in the environment"
        if self.profile is None or self.profile.name is None:
            return None, ""
        return self.profile.settings.get(name), f"in the profile {self.profile.name!r} of {self.profile.file}"


def profiles_file(env: Mapping[str, str]) -> Path:
    """Where Prefect keeps its profiles, in its own order of precedence. It need not exist."""
    if path := env.get("PREFECT_PROFILES_PATH"):
        return Path(path)
    home = env.get("PREFECT_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".prefect") / "profiles.toml"


def read_profile(name: str | None, file: Path) -> Profile:
    """The named profile, or the active one; an empty one when the file has no such profile."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Profile(None, {}, file)
    except (OSError, ValueError) as error:
        raise PrefectError(f"{file} cannot be read: {error}", hint="correct it, or remove it") from error
    profiles = content.get("profiles", {})
    chosen = name or content.get("active")
    settings = profiles.get(chosen) if isinstance(profiles, dict) else None
    if isinstance(settings, dict):
        return Profile(chosen, settings, file)
    return Profile(None, {}, file, tuple(sorted(profiles)) if isinstance(profiles, dict) else ())


def _is_header(name: str, text: str) -> bool:
    return _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(text) is not None


def _wrong(setting: str, where: str, what: str) -> PrefectError:
    return PrefectError(f"{setting} {where} {what}", hint="correct it, or remove it")
