"""Answers a container registry's 401: Basic credentials, or a token from the server it names.

What was obtained is kept per host and scope in the instance, so that one command asks once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from flowyard.adapters.oci_address import is_loopback, login_key
from flowyard.adapters.oci_format import Challenge, json_object, parse_challenges, registry_error
from flowyard.errors import RegistryError
from flowyard.values import Credentials, Secret

if TYPE_CHECKING:
    from flowyard.adapters.oci_http import Http, Request

FindCredentials = Callable[[str], Credentials | None]

_MOST_TOKEN_BYTES = 256 * 1024
_ANY_SCOPE = ""  # a password is the same for every repository
_CLIENT = "flowyard"


class Authorizations:
    """The Authorization headers obtained so far, per host and scope."""

    def __init__(self, find: FindCredentials) -> None:
        self._find = find
        self._kept: dict[tuple[str, str], Secret] = {}

    def kept(self, host: str, scope: str) -> Secret | None:
        """The header's value that was obtained before, if any. It may have expired."""
        return self._kept.get((host, scope)) or self._kept.get((host, _ANY_SCOPE))

    def renew(self, http: Http, host: str, scope: str, header: str) -> Secret | None:
        """Obtain a new value as the WWW-Authenticate `header` wants it, and keep it.

        None when the host wants credentials and there are none. Raises RegistryError when the token server
        refuses.
        """
        self._kept.pop((host, scope), None)
        self._kept.pop((host, _ANY_SCOPE), None)
        challenge = choose(parse_challenges(header))
        credentials = self._find(login_key(host)) if challenge else None
        if challenge is None or (challenge.scheme == "basic" and not _has_password(credentials)):
            return None
        if challenge.scheme == "basic" and credentials is not None:
            return self._kept.setdefault((host, _ANY_SCOPE), basic(credentials))
        token = _token(http, host, token_request(challenge, credentials, host, scope))
        self._kept[host, scope] = token
        return token


def _has_password(credentials: Credentials | None) -> bool:
    return credentials is not None and not credentials.identity_token


def choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """The challenge to answer: Bearer where offered, because its token reaches less than a password."""
    for challenge in challenges:
        if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
            return challenge
    return next((challenge for challenge in challenges if challenge.scheme == "basic"), None)


def basic(credentials: Credentials) -> Secret:
    """The Authorization value of a user and a password."""
    pair = f"{credentials.username}:{credentials.secret.reveal()}".encode()
    return Secret(f"Basic {base64.b64encode(pair).decode('ascii')}")


def token_request(challenge: Challenge, credentials: Credentials | None, host: str, scope: str) -> Request:
    """The request for a token: GET with Basic or anonymous; POST where an identity token is exchanged.

    Raises RegistryError when a distant registry names a realm that is not HTTPS.
    """
    from flowyard.adapters.oci_http import Request

    realm = urlsplit(challenge.parameters["realm"])
    subject = f"token server {realm.netloc} of {host}"
    if realm.scheme != "https" and not is_loopback(host):
        raise RegistryError(f"{subject}: its address begins with {realm.scheme}://; only https:// is asked")
    fields = {"scope": challenge.parameters.get("scope", scope)}
    if service := challenge.parameters.get("service"):
        fields["service"] = service
    if credentials is not None and credentials.identity_token:
        fields |= {
            "grant_type": "refresh_token",
            "client_id": _CLIENT,
            "refresh_token": credentials.secret.reveal(),
        }
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request(
            "POST", urlunsplit(realm), subject, _MOST_TOKEN_BYTES, form, urlencode(fields).encode()
        )
    headers: Mapping[str, str] = {}
    if credentials is not None:
        fields["account"] = credentials.username
        headers = {"Authorization": basic(credentials).reveal()}
    query = "&".join(filter(None, (realm.query, urlencode(fields))))
    return Request("GET", urlunsplit(realm._replace(query=query)), subject, _MOST_TOKEN_BYTES, headers)


def _token(http: Http, host: str, request: Request) -> Secret:
    answer = http.send(request)
    if answer.status != 200:
        code, message = registry_error(answer.body)
        said = f" {code}" * bool(code) + f" ({message})" * bool(message)
        hint = f"docker login {host}" if answer.status in (400, 401, 403) else ""
        raise RegistryError(f"{request.subject}: no token: HTTP {answer.status}{said}", hint=hint)
    document = json_object(answer.body, request.subject)
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise RegistryError(f"{request.subject}: the answer holds no token")
    return Secret(f"Bearer {token}")
