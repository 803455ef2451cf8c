"""ECR's tokens: one for all of the caller's pushes, fetched just before use and kept until half its life.

It is the same for every repository the caller may use: https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flowyard.errors import AwsError
from flowyard.ports import AwsCalls, Timer
from flowyard.values import Credentials, Json, Secret

_AGAIN = 60.0  # seconds until a renewal that failed is tried again, as long as the old token lasts


@dataclass(frozen=True, slots=True)
class Token:
    """What to log in with, and the host of the registry it was asked for. Times are those of the timer."""

    credentials: Credentials
    host: str
    renew_at: float
    ends_at: float


class Tokens:
    """The token of the caller for the registry of `account`, None for its own. For several threads."""

    def __init__(self, aws: AwsCalls, account: str | None, timer: Timer = time) -> None:
        self._aws = aws
        self._account = account
        self._timer = timer
        self._lock = threading.Lock()
        self._kept: Token | None = None

    def current(self, *, renewed: bool = False) -> Token:
        """A token with at least half its life before it; a new one when asked. Raises AwsError.

        Where the API fails while the old one still lasts, the old one it is.
        """
        with self._lock:
            kept, now = self._kept, self._timer.monotonic()
            if kept is not None and not renewed and now < kept.renew_at:
                return kept
            try:
                self._kept = self._fetch(now)
            except AwsError:
                if kept is None or renewed or now >= kept.ends_at:
                    raise
                self._kept = replace(kept, renew_at=now + _AGAIN)
            return self._kept

    def _fetch(self, now: float) -> Token:
        asked: dict[str, Json] = {"registryIds": [self._account]} if self._account else {}
        whose = f"the registry of account {self._account}" if self._account else "the caller's registry"
        answer = self._aws.call("ecr", "GetAuthorizationToken", whose, **asked)
        data = answer["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        # By its length and not by its end: this machine's clock may be another than AWS's.
        lasts = max(0.0, (data["expiresAt"] - datetime.now(UTC)).total_seconds())
        return Token(
            Credentials(user, Secret(password)),
            urlsplit(data["proxyEndpoint"]).netloc,
            renew_at=now + lasts / 2,
            ends_at=now + lasts,
        )
