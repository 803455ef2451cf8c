"""Sends one request to a container registry or its token server: bounded, verified, retried.

urllib3 (70 ms) is imported here and not above, so that a command which asks no registry does not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ResponseError, SSLError

from flowyard.adapters.oci_address import Limits, is_loopback
from flowyard.adapters.proxies import open_pool, proxy_for
from flowyard.adapters.registry_certificates import SYSTEM, authorities, tls_context
from flowyard.errors import RegistryError
from flowyard.program import PROGRAM
from flowyard.values import Secret

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_MOST_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `subject` names it in messages; a 200 with more than `most` bytes is refused."""

    method: str
    url: str
    subject: str
    most: int
    headers: Mapping[str, str] = field(repr=False)  # may hold an Authorization
    body: bytes | None = field(default=None, repr=False)

    def authorized(self, value: Secret | None) -> Request:
        """The same request with this Authorization."""
        return (
            self
            if value is None
            else replace(self, headers={**self.headers, "Authorization": value.reveal()})
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; an error's body is cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class BoundedRetry(urllib3.Retry):
    """Retries until `deadline` (monotonic seconds); a wait that would end after it is not begun."""

    deadline: float = 0.0

    def new(self, **kw: Any) -> Self:  # the base class's signature
        """A copy with other counters and the same deadline."""
        copy = super().new(**kw)
        copy.deadline = self.deadline
        return copy

    def increment(  # the base class's signature
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Count one failure. Raises MaxRetryError when there is no time to wait for another try."""
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        asked = following.get_retry_after(response) if response is not None else None
        wait = following.get_backoff_time() if asked is None else asked
        if time.monotonic() + wait > self.deadline:
            raise MaxRetryError(_pool, url or "", error or ResponseError("no time left for another try"))
        return following


class Http:
    """The connections to every host that was asked. Close it after use."""

    def __init__(self, limits: Limits, environ: Mapping[str, str]) -> None:
        self._limits = limits
        self._environ = environ
        self._pools: dict[tuple[str | None, tuple[Path, ...]], urllib3.PoolManager] = {}

    def close(self) -> None:
        """Close every connection."""
        for pools in self._pools.values():
            pools.clear()

    def send(self, request: Request) -> Answer:
        """Send and follow redirects; another host or port never sees the Authorization.

        Raises RegistryError when there is no answer within the limits, or it may not be followed.
        """
        check_transport(request.url, request.subject)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._once(request)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location or request.body is not None:
                return answer
            request = _redirected(request, location)
        raise RegistryError(
            f"{request.subject}: the container registry redirects more than {_MOST_REDIRECTS} times"
        )

    def _once(self, request: Request) -> Answer:
        try:
            response = self._pool(request.url).request(
                request.method,
                request.url,
                body=request.body,
                headers={"User-Agent": "flowyard", **request.headers},
                retries=self._retry(),
                redirect=False,
                preload_content=False,
            )
            try:
                body = _read(response, request)
            finally:
                response.release_conn()
        except HTTPError as error:
            # The cause is told in words: urllib3's own text holds URLs, which may be signed.
            raise _no_answer(request, error) from None
        headers = {name.lower(): ", ".join(response.headers.getlist(name)) for name in response.headers}
        return Answer(response.status, headers, body)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = proxy_for(parts.scheme, parts.hostname or "")
        files = authorities(parts.netloc, self._environ) if parts.scheme == "https" else ()
        if (proxy, files) not in self._pools:
            self._pools[proxy, files] = self._open(proxy, files)
        return self._pools[proxy, files]

    def _open(self, proxy: str | None, files: tuple[Path, ...]) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=self._limits.connect, read=self._limits.read)
        }
        if files:
            options["ssl_context"] = tls_context(files)
        return open_pool(proxy, options)

    def _retry(self) -> BoundedRetry:
        limits = self._limits
        retry = BoundedRetry(
            total=limits.tries - 1,
            other=0,  # a certificate does not become valid by asking again
            allowed_methods=None,
            status_forcelist=_TRY_AGAIN,
            backoff_factor=limits.backoff,
            backoff_jitter=limits.backoff,
            raise_on_status=False,
        )
        retry.deadline = time.monotonic() + limits.total
        return retry


def _read(response: urllib3.BaseHTTPResponse, request: Request) -> bytes:
    most = request.most if response.status == 200 else _MOST_ERROR_BYTES
    body = bytearray()
    while chunk := response.read(min(65536, most + 1 - len(body)), decode_content=False):
        body += chunk
        if len(body) > most:
            response.close()
            break
    if len(body) > most and response.status == 200:
        raise RegistryError(
            f"{request.subject}: the container registry sent more than the {most} bytes allowed here"
        )
    return bytes(body[:most])


def check_transport(url: str, subject: str) -> None:
    """Raise RegistryError unless `url` is HTTPS, or plain HTTP to this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return
    raise RegistryError(
        f"{subject}: {parts.scheme or 'no scheme'}://{parts.hostname or ''} is not asked;"
        " it must be https, or http on a loopback address",
        hint="give the registry a certificate (SSL_CERT_FILE names the file of a private authority)",
    )


def _redirected(request: Request, location: str) -> Request:
    url = urljoin(request.url, location)
    check_transport(url, request.subject)
    old, new = urlsplit(request.url), urlsplit(url)
    if old.scheme == "https" and new.scheme != "https":
        raise RegistryError(
            f"{request.subject}: the container registry redirects from https to http; not followed"
        )
    if (old.scheme, old.netloc) == (new.scheme, new.netloc):
        return replace(request, url=url)
    kept = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    return replace(request, url=url, headers=kept)


def _no_answer(request: Request, error: HTTPError) -> RegistryError:
    host = urlsplit(request.url).netloc
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(reason, SSLError):
        return RegistryError(
            f"{request.subject}: the certificate of {host} was not accepted ({reason.__cause__ or reason})",
            hint=f"put the authority which signed it into {SYSTEM}/{host}/ca.crt, where the engine looks too, "
            "or into the file that SSL_CERT_FILE names",
        )
    if isinstance(reason, NewConnectionError):
        hint = f"start it (`{PROGRAM} up`), or correct the address" if is_loopback_url(request.url) else ""
        return RegistryError(f"{request.subject}: cannot connect to {host} ({reason.__cause__})", hint=hint)
    name = type(reason).__name__
    return RegistryError(
        f"{request.subject}: {host} did not answer completely ({name}: {reason.__cause__ or reason})"
    )


def is_loopback_url(url: str) -> bool:
    """Whether a URL is on this machine."""
    return is_loopback(urlsplit(url).hostname or "")
