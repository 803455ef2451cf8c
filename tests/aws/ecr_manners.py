"""What the real ECR does and moto's does not: tokens that differ and expire, and other people's registries.

moto's token is always the same and expired in 2015, and it has one registry, the caller's.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flowyard.values import Json
from tests.aws.calls import ACCOUNT, Answer, Call, json_answer, refusal_answer
from tests.aws.faults import DENIED

LIFETIME = 12 * 3600.0
USER = "AWS"

_HOST = re.compile(r"(?:https://)?([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
Proceed = Callable[[], Answer]


@dataclass
class Tokens:
    """The tokens that were given out, and when each ends.

    "Authorization token is valid for 12 hours":
    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
    """

    lifetime: float = LIFETIME
    ahead: float = 0.0  # seconds that this clock is ahead of the machine's
    _ends: dict[str, float] = field(default_factory=dict)

    def issue(self) -> tuple[str, float]:
        """A new token, and when it ends."""
        token = secrets.token_urlsafe(900)  # a real one has about 2 KB
        self._ends[token] = self.now() + self.lifetime
        return token, self._ends[token]

    def now(self) -> float:
        return time.time() + self.ahead

    def expire(self) -> None:
        """End all that were given out, as when another machine's clock is the one that counts."""
        self._ends = dict.fromkeys(self._ends, 0.0)

    def state(self, token: str) -> str:
        """`valid`, `expired` or `unknown`."""
        end = self._ends.get(token)
        if end is None:
            return "unknown"
        return "valid" if end > self.now() else "expired"

    def __len__(self) -> int:
        return len(self._ends)


@dataclass
class EcrManners:
    """ECR's answers, corrected. `hosts` is where the registry of an account and region really listens."""

    tokens: Tokens = field(default_factory=Tokens)
    hosts: dict[tuple[str, str], str] = field(default_factory=dict)

    @contextmanager
    def listening(self, place: tuple[str, str], host: str) -> Iterator[None]:
        """The registry of an account and region is at this host inside. What was told before is told again
        afterwards."""
        around = self.hosts.get(place)
        self.hosts[place] = host
        try:
            yield
        finally:
            self.hosts.pop(place)
            if around is not None:
                self.hosts[place] = around

    def answer(self, call: Call, proceed: Proceed) -> Answer:
        """Answer one call of ECR."""
        if call.action == "GetAuthorizationToken":
            return self._token(call)
        if call.action == "CreateRepository" and call.account != ACCOUNT:
            # "To access other account repositories use the registryId": policies of a repository cannot allow
            # to make one, https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html
            return refusal_answer(call, DENIED)
        return self._rewritten(proceed())

    def _token(self, call: Call) -> Answer:
        """One token for every registry that the caller may use, whichever are asked for:
        https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html"""
        token, end = self.tokens.issue()
        text = base64.b64encode(f"{USER}:{token}".encode()).decode()
        data = [
            {
                "authorizationToken": text,
                "expiresAt": end,
                "proxyEndpoint": self._address(f"https://{account}.dkr.ecr.{call.region}.amazonaws.com"),
            }
            for account in call.parameters.get("registryIds") or [ACCOUNT]
        ]
        return json_answer({"authorizationData": data})

    def _rewritten(self, answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        body = json.dumps(_mapped(answer.document, self._address)).encode()
        return Answer(answer.status, {**answer.headers, "Content-Length": str(len(body))}, body)

    def _address(self, text: str) -> str:
        """The text with the host where that registry listens in these tests, which may be its own; the endpoints
        of China have a suffix that moto does not know: https://docs.aws.amazon.com/general/latest/gr/ecr.html"""
        match = _HOST.match(text)
        if match is None:
            return text
        account, region = match.groups()
        host = self.hosts.get((account, region))
        if host is None:
            return text.replace(".amazonaws.com", ".amazonaws.com.cn") if region.startswith("cn-") else text
        if host == match[0].removeprefix("https://"):
            return text
        scheme = "http://" if text.startswith("https://") else ""
        return f"{scheme}{host}{text[match.end() :]}"


def _mapped(document: Json, change: Callable[[str], str]) -> Json:
    """The document with its repositories' addresses changed."""
    if isinstance(document, dict):
        return {
            key: change(value) if key == "repositoryUri" else _mapped(value, change)
            for key, value in document.items()
        }
    return [_mapped(item, change) for item in document] if isinstance(document, list) else document
