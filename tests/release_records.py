"""The release records of a flow as a Prefect server has them: what the pipeline itself never asks for."""

from __future__ import annotations

from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.records import ReleaseRecord, latest_of, record_of


def latest(api: PrefectApi, project: str, target: str, flow: str) -> ReleaseRecord | None:
    """The newest record of a flow on a target, or None."""
    return latest_of(api, project, target, [flow]).get(flow)


def history(api: PrefectApi, project: str, target: str, flow: str) -> tuple[ReleaseRecord, ...]:
    """All records of a flow on a target, newest first."""
    body = {"artifacts": {"key": {"any_": [artifact_key(project, target, flow)]}}, "sort": "CREATED_DESC"}
    return tuple(record_of(item, "created") for item in read_all(api, "/artifacts/filter", body))
