"""One release record on its way into the server: kept once, or not at all.

Adding an artifact is the one write of a ship that does something else when it is done twice, so the entry carries
a token of its own, by which it is found when its answer was lost.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace

from flowyard.errors import NotFound, PrefectError, Refused, Unreachable
from flowyard.ports import PrefectApi
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.records import TOKEN, ReleaseRecord, append
from flowyard.values import Json

_LOOKED_AT = 10  # records of one flow that are newer than ours: none, as long as our lease holds


class RecordEntry:
    """The record of one ship of one flow. The Record that `register` takes."""

    def __init__(self, api: PrefectApi, record: ReleaseRecord) -> None:
        self._api = api
        self._record = record
        self._token = uuid.uuid4().hex

    def keep(self, deployments: tuple[str, ...]) -> None:
        """Keep it as the newest of its flow and target, with these deployments. Raises PrefectError."""
        record = replace(self._record, deployments=deployments)
        try:
            append(self._api, record, self._token)
        except PrefectError as error:
            if not _perhaps_done(error) or self._find() is None:
                raise

    def withdraw(self) -> None:
        """Delete it if it is there; the record before it is the newest again. Raises PrefectError."""
        found = self._find()
        if found is not None:
            with suppress(NotFound):
                self._api.request("DELETE", f"/artifacts/{found['id']}")

    def _find(self) -> Json:
        record = self._record
        key = artifact_key(record.project, record.target, record.flow)
        body = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": _LOOKED_AT}
        found = self._api.request("POST", "/artifacts/filter", body)
        return next((item for item in found if (item.get("metadata_") or {}).get(TOKEN) == self._token), None)


def _perhaps_done(error: PrefectError) -> bool:
    if isinstance(error, Unreachable):
        return error.sent
    return not isinstance(error, Refused) or error.status >= 500
