"""Sends one request to the Prefect API and tries again where that is safe.

Apart from the client, because urllib3 costs 40 to 70 ms, which a command that asks nobody must not pay.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from flowyard.adapters.prefect_settings import AUTHORITIES
from flowyard.adapters.proxies import open_pool, proxy_for
from flowyard.errors import PrefectError, Unreachable
from flowyard.ports import Timer
from flowyard.values import PrefectAddress

# Not done by whoever answered: a rate limiter, a timeout before the request was complete, or Prefect's own
# 503, which it sends after its database transaction was rolled back.
_NOT_DONE = frozenset({408, 429, 503})
# A proxy answered: whether the server behind it did the work is not known.
_PERHAPS_DONE = frozenset({502, 504})
# Reads that Prefect spells as POST, and writes that end the same when they are done twice.
_REPEATABLE_POST = re.compile(
    r".*/(filter|count|paginate|renew|decrement-with-lease|bulk_delete)|/(flows|deployments)/"
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a connection, an answer, and for one request with all its retries.

    `first_contact` bounds the retries of a client that no server has answered yet: a wrong address
    or a stopped server is told at once, a server that restarts meanwhile is waited for. A server that answered
    too late, or took long to say that it did nothing, gets the whole time once more.
    """

    connect: float = 5.0
    # A server on SQLite waits for its own lock for 60 s, and then says that nothing was done.
    read: float = 75.0
    total: float = 30.0
    first_contact: float = 1.0
    shortest_wait: float = 0.1
    longest_wait: float = 2.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `headers` may hold an Authorization and is never shown."""

    method: str
    url: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice ends the same as doing it once."""
        return self.method != "POST" or _REPEATABLE_POST.fullmatch(self.path) is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    retry_after: str | None
    location: str | None
    body: bytes = field(repr=False)


Once = Callable[[Request], Answer]  # sends a request a single time. Raises HTTPError


class Http:
    """The connections to one Prefect API. Threads may share it.

    `once` sends in the place of these connections, which are opened when they are needed first.
    """

    def __init__(
        self, address: PrefectAddress, patience: Patience, clock: Timer = time, once: Once | None = None
    ) -> None:
        self._address = address
        self._patience = patience if address.timeout is None else replace(patience, read=address.timeout)
        self._clock = clock
        self._answered = False
        self._once = once

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status, after retries. Raises Unreachable when there is none.

        Raises PrefectError when the file of authorities holds none.
        """
        waits = _Waits(self._patience, self._clock)
        while True:
            try:
                answer = self._try(request)
            except HTTPError as error:
                slow = isinstance(error, ReadTimeoutError)
                if not (self._may_repeat(error, request) and waits.wait(None, self._limit(), slow=slow)):
                    raise self._unreachable(request, error) from error
                continue
            self._answered = True
            again = answer.status in _NOT_DONE or (answer.status in _PERHAPS_DONE and request.repeatable)
            if not again or not waits.wait(answer.retry_after, self._limit(), slow=True):
                return answer

    def _limit(self) -> float:
        return self._patience.total if self._answered else self._patience.first_contact

    def _may_repeat(self, error: HTTPError, request: Request) -> bool:
        if _never_sent(error):
            return True
        return isinstance(error, (ProtocolError, ReadTimeoutError)) and request.repeatable

    def _try(self, request: Request) -> Answer:
        if self._once is None:
            self._once = _Pools(self._address, self._patience).once
        return self._once(request)

    def _unreachable(self, request: Request, error: HTTPError) -> Unreachable:
        reason = _reason(error)
        if isinstance(error, SSLError):
            named = self._address.authorities
            hint = f"set {AUTHORITIES} (or SSL_CERT_FILE) to a file that holds the authority which signed it"
            if named is not None:
                hint = f"{named}, which {AUTHORITIES} names, has to hold the authority which signed it"
            return Unreachable(f"has a certificate that is not accepted ({reason})", sent=False, hint=hint)
        if _never_sent(error):
            return Unreachable(f"cannot be reached ({reason})", sent=False)
        what = "did not answer" if request.repeatable else "may have done it, but the answer was lost"
        return Unreachable(f"{what} ({reason})", sent=True)


class _Waits:
    """The waits of one request: doubled and jittered, or as long as the server asks, within a limit."""

    def __init__(self, patience: Patience, clock: Timer) -> None:
        self._patience = patience
        self._clock = clock
        self._start = self._tried = clock.monotonic()
        self._next = patience.shortest_wait
        self._forgiven = False

    def wait(self, asked: str | None, limit: float, *, slow: bool) -> bool:
        """Wait before the next try; False at once when that would end later than `limit` seconds in all.

        Where only the server was `slow`, one try that took all that time by itself does not count.
        """
        own = self._next * random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients, hides nothing
        seconds = max(own, _seconds(asked))
        now = self._clock.monotonic()
        if now - self._start + seconds > limit:
            alone = now - self._tried + seconds > limit
            if not (slow and alone) or self._forgiven or seconds > limit:
                return False
            self._forgiven, self._start = True, now
        self._clock.sleep(seconds)
        self._tried = self._clock.monotonic()
        self._next = min(self._next * 2, self._patience.longest_wait)
        return True


def _seconds(retry_after: str | None) -> float:
    if retry_after is None:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0  # not a Retry-After: our own wait serves


class _Pools:
    """Connections that are kept for the next request; one of its own for what must not be done twice.

    A server closes a connection that was idle for some seconds, and a busy one does it when the next request is on
    its way: that is lost, and nobody can tell whether it was done.
    """

    def __init__(self, address: PrefectAddress, patience: Patience) -> None:
        parts = urllib3.util.parse_url(address.api_url)
        self._proxy = proxy_for(parts.scheme or "", parts.host or "")
        self._options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=patience.connect, read=patience.read),
            "maxsize": 8,
        }
        if parts.scheme == "https":
            self._options["ssl_context"] = _tls(address)
        self._kept = self._open()

    def once(self, request: Request) -> Answer:
        """As Once."""
        with self._pool_for(request) as pool:
            response = pool.request(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                retries=False,
                redirect=False,
            )
        headers = response.headers
        return Answer(response.status, headers.get("Retry-After"), headers.get("Location"), response.data)

    @contextmanager
    def _pool_for(self, request: Request) -> Iterator[urllib3.PoolManager]:
        """Where this request is to be sent."""
        if request.repeatable:
            yield self._kept
            return
        with self._open() as pool:
            yield pool

    def _open(self) -> urllib3.PoolManager:
        return open_pool(self._proxy, self._options)


def _tls(address: PrefectAddress) -> ssl.SSLContext:
    """As Prefect's client has it: the named authorities take the place of the system's."""
    if not address.verify:
        # Whoever says so knows, and needs no line per request.
        urllib3.disable_warnings(InsecureRequestWarning)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=address.authorities)
    except (OSError, ssl.SSLError) as error:
        raise PrefectError(
            f"{AUTHORITIES} names {address.authorities}, which cannot be read as certificates in PEM form "
            f"({error.strerror or error})",
            hint="let it name a file with the authority's certificate",
        ) from None


def _never_sent(error: HTTPError) -> bool:
    return isinstance(error, (NewConnectionError, ConnectTimeoutError, ProxyError))


def _reason(error: HTTPError) -> str:
    cause = error.__cause__ or error.__context__
    return str(cause) if cause is not None and str(cause) else str(error)
