"""Whether secrets are there: asked of Secrets Manager and of Systems Manager, never for a value.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
"""

from __future__ import annotations

import threading

from flowyard.adapters.aws.refusals import is_denied
from flowyard.adapters.aws.session import AwsSession
from flowyard.aws.secrets import SecretLook, SecretPlace, secret_place
from flowyard.errors import AwsRefused


class AwsSecrets:
    """The SecretStore of one region. Each secret is looked at once. Safe to use from several threads."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._looks: dict[str, SecretLook] = {}

    def look(self, arn: str) -> SecretLook:
        """As SecretStore.look."""
        with self._lock:
            if arn not in self._looks:
                self._looks[arn] = self._look(secret_place(arn))
            return self._looks[arn]

    def _look(self, place: SecretPlace) -> SecretLook:
        try:
            missing = self._secret(place) if place.kind == "secret" else self._parameter(place)
        except AwsRefused as error:
            if not is_denied(error.code):
                raise
            return SecretLook(None, error.message)
        if missing is None:
            return SecretLook(True)
        if place.account != self._session.caller().account:  # it may be one that only the tasks may see
            return SecretLook(None, f"it belongs to account {place.account}, which did not show it")
        return SecretLook(False, missing)

    def _secret(self, place: SecretPlace) -> str | None:
        """Why the secret is not there for a task."""
        name = place.names[0]
        try:
            found = self._session.call("secretsmanager", "DescribeSecret", name, SecretId=name)
        except AwsRefused as error:
            if error.code != "ResourceNotFoundException":
                raise
            return f"there is no such secret in {place.region}"
        return "is marked for deletion, and cannot be read" if found.get("DeletedDate") else None

    def _parameter(self, place: SecretPlace) -> str | None:
        """Why the parameter is not there for a task."""
        filters = [{"Key": "Name", "Option": "Equals", "Values": list(place.names)}]
        name = f"parameter {place.names[0]}"
        found = self._session.call("ssm", "DescribeParameters", name, ParameterFilters=filters)
        return None if found["Parameters"] else f"there is no such parameter in {place.region}"
