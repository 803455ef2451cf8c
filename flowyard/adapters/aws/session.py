"""One region of AWS as one caller sees it: calls, and their refusals as errors of ours.

Credentials, profile, proxy and endpoints are found the way every AWS program finds them (boto3's own chain).
What may pass is tried again here, whatever the caller's configuration says about it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from flowyard.adapters.aws.refusals import hint_of_code, hint_of_name, is_about_things
from flowyard.errors import AwsError, AwsRefused
from flowyard.values import Json

TRIES = 6  # of one call, as long as what failed may pass: throttling, 5xx, a broken connection
CONNECT, READ = 10.0, 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as STS says."""

    arn: str
    account: str


class AwsSession:
    """Calls to the services of one region, each sent at most `tries` times. Safe to use from several threads.

    Without a `region` it is the one that the environment or the profile names.
    """

    def __init__(self, region: str, tries: int = TRIES) -> None:
        self.region = region
        self._tries = tries
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._caller: Caller | None = None

    def call(self, service: str, action: str, resource: str, **parameters: Json) -> Json:
        """As AwsCalls.call."""
        client = self._client(service)
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(client, xform_name(action))(**parameters)
        except ClientError as error:
            answered = error.response.get("Error", {})
            code, said = str(answered.get("Code", "")), str(answered.get("Message", ""))
        except BotoCoreError as error:
            raise AwsError(f"{service}:{action} on {resource}: {error}", hint=hint_of_name(error)) from None
        asked = f"AWS refused {service}:{action} on {resource}: {code}: {said.rstrip('.')}"
        by = "" if service == "sts" or is_about_things(code) else self._who(said)
        raise AwsRefused(f"{asked}{by}", code=code, hint=hint_of_code(code, f"{service}:{action}"))

    def caller(self) -> Caller:
        """Who is calling. Raises AwsError."""
        if self._caller is None:
            found = self.call("sts", "GetCallerIdentity", "the caller's own name")
            self._caller = Caller(str(found["Arn"]), str(found["Account"]))
        return self._caller

    def _who(self, said: str) -> str:
        """Who was refused, where AWS does not say it itself and STS does."""
        if "arn:" in said:
            return ""
        try:
            return f" (called as {self.caller().arn})"
        except AwsError:
            return ""

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._open(service)
            return self._clients[service]

    def _open(self, service: str) -> Any:
        try:
            import boto3
        except ModuleNotFoundError as error:
            raise AwsError(
                f"shipping to AWS needs the package {error.name}, which is not installed here",
                hint='pip install "flowyard[aws]"',
            ) from None
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        settings = Config(
            retries={"mode": "standard", "total_max_attempts": self._tries},
            connect_timeout=CONNECT,
            read_timeout=READ,
            user_agent_extra="flowyard",
        )
        try:
            self._session = self._session or boto3.Session(region_name=self.region or None)
            return self._session.client(service, config=settings)
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise AwsError(f"{service} in {self.region}: {error}", hint=hint_of_name(error)) from None
