"""URLs as messages may show them, and as two of them are compared.

Apart from the clients, because whoever names an address in a message needs it: a password that somebody wrote
into a URL must not reach a terminal or a CI log.
"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*://)?", re.ASCII)
_LAST_PORT = 65535
_HTTP = re.compile(
    r"https?://(?:[^\s/@]*@)?(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:/[^\s?#]*)?",
    re.ASCII | re.IGNORECASE,
)


def without_credentials(url: str) -> str:
    """The URL without user and password, and without query and fragment, which may hold tokens.

    Everything up to the last `@` goes, also where that is too much: a password may hold any character.
    """
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    rest = url[start:].rpartition("@")[2]
    return url[:start] + re.split(r"[?#]", rest, maxsplit=1)[0]


def comparable(url: str) -> str:
    """One spelling for the URLs that mean the same API: no slash at the end, scheme and host in lower case."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host}".lower() + slash + path


def is_http_url(url: str) -> bool:
    """Whether this is the URL of an HTTP API: scheme, host, perhaps a port and a path, and no query."""
    found = _HTTP.fullmatch(url)
    return found is not None and int(found["port"] or 0) <= _LAST_PORT
