"""What ECS does for a task with the task's execution role, through the same APIs as everybody.

Its calls are recorded under the role's name, as policies for that role are to allow them.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from botocore.exceptions import ClientError

from flowyard.values import Json
from tests.aws.api import AwsApi

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
_RETRIEVAL = (
    "ResourceInitializationError: unable to pull secrets or registry auth: "
    "execution resource retrieval failed: "
)


class FailedToStart(Exception):
    """A task that stops before it ran: its stoppedReason."""


@dataclass(frozen=True)
class Agent:
    """Acts for the tasks of one definition."""

    api: AwsApi
    region: str
    role: str  # the execution role's ARN, or nothing

    def registry_login(self, image: str) -> dict[str, str] | None:
        """Credentials for the image's registry, None where it is not ECR.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
        """
        host = image.partition("/")[0]
        where = {listens: region for (_, region), listens in self.api.ecr.hosts.items()}
        if host not in where:
            return None
        try:
            answer = self._client("ecr", where[host]).get_authorization_token()
        except ClientError as error:
            raise FailedToStart(
                f"{_RETRIEVAL}unable to retrieve ecr registry auth: {_words(error)}"
            ) from error
        user, _, password = (
            base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().partition(":")
        )
        return {"username": user, "password": password}

    def secrets(self, container: Mapping[str, Json]) -> dict[str, str]:
        """The values of a container's secrets by the variable each goes to."""
        return {one["name"]: self._secret(str(one["valueFrom"])) for one in container.get("secrets") or ()}

    def _secret(self, source: str) -> str:
        if source.partition(":")[2].partition(":")[2].startswith("secretsmanager:"):
            return self._of_secrets_manager(source)
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html: the ARN,
        # or the name alone where it is in the task's region.
        name = source.partition(":parameter")[2] or source
        region = source.split(":")[3] if source.startswith("arn:") else self.region
        asked = self._client("ssm", region)
        try:
            found = asked.get_parameters(Names=[name], WithDecryption=True)
            if not found["Parameters"]:  # a parameter below no path is asked for without its slash
                found = asked.get_parameters(Names=[name.removeprefix("/")], WithDecryption=True)
        except ClientError as error:
            raise _no_secret("secrets from ssm", _words(error)) from error
        if not found["Parameters"]:
            raise _no_secret("secrets from ssm", f"invalid ssm parameters: {name}")
        return str(found["Parameters"][0]["Value"])

    def _of_secrets_manager(self, source: str) -> str:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html:
        # arn:aws:secretsmanager:region:account:secret:name-random:json-key:version-stage:version-id
        parts = source.split(":")
        arn, (key, stage, version) = ":".join(parts[:7]), (*parts[7:10], *[""] * 3)[:3]
        chosen = {"VersionStage": stage, "VersionId": version}
        wanted = {"SecretId": arn, **{name: value for name, value in chosen.items() if value}}
        try:
            answer = self._client("secretsmanager", parts[3]).get_secret_value(**wanted)
        except ClientError as error:
            said = f"failed to fetch secret {arn} from secrets manager: {_words(error)}"
            raise _no_secret("secret from asm", said) from error
        text = str(answer["SecretString"])
        if not key:
            return text
        try:
            return str(json.loads(text)[key])
        except (ValueError, KeyError, TypeError) as error:
            said = f"retrieved secret from Secrets Manager did not contain json key {key}"
            raise _no_secret("secret from asm", said) from error

    def log_stream(self, container: Mapping[str, Json], task: str) -> LogStream | None:
        """Where the container's output goes, None where nobody asked for it.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html
        """
        configured = container.get("logConfiguration") or {}
        if configured.get("logDriver") != "awslogs":
            return None
        options = configured.get("options") or {}
        client = self._client("logs", options.get("awslogs-region") or self.region)
        group = str(options["awslogs-group"])
        stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{task}"
        try:
            if options.get("awslogs-create-group") == "true":
                with suppress(client.exceptions.ResourceAlreadyExistsException):
                    client.create_log_group(logGroupName=group)
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        except ClientError as error:
            raise FailedToStart(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
                f"times: failed to create Cloudwatch log stream: {_words(error)} : exit status 1"
            ) from error
        return LogStream(client, group, stream)

    def _client(self, service: str, region: str) -> Json:
        return self.api.client(service, region, caller=self.role.rpartition("/")[2] or "no-role")


def _no_secret(what: str, why: str) -> FailedToStart:
    return FailedToStart(
        f"{_RETRIEVAL}unable to retrieve {what}: service call has been retried 1 time(s): {why}"
    )


def _words(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"


@dataclass(frozen=True)
class LogStream:
    """A stream of CloudWatch Logs that one container's output goes to."""

    client: Json
    group: str
    name: str

    def follow(self, output: Iterable[bytes]) -> threading.Thread:
        """Send the output as it comes, line by line, until it ends."""
        thread = threading.Thread(target=self._send, args=(output,), daemon=True)
        thread.start()
        return thread

    def _send(self, output: Iterable[bytes]) -> None:
        rest = b""
        for chunk in output:
            *lines, rest = (rest + chunk).split(b"\n")
            self._put(lines)
        self._put([rest])

    def _put(self, lines: list[bytes]) -> None:
        # API_PutLogEvents.html refuses an empty message, so an empty line is dropped, as by the log driver.
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line.decode(errors="replace")} for line in lines if line]
        if events:
            self.client.put_log_events(logGroupName=self.group, logStreamName=self.name, logEvents=events)
