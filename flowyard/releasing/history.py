"""What the Prefect server remembers of a target: all release records, and what all deployments run.

Asked only when something is about to be taken away for good: a record may be old and still be somebody's way back.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.aws.task_definition import ARN_VARIABLE
from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.records import ReleaseRecord, record_of
from flowyard.values import Json


def records_of(api: PrefectApi, project: str, target: str, flow: str) -> list[ReleaseRecord]:
    """Every release record of a flow on a target, the newest first. Raises PrefectError."""
    body = {"artifacts": {"key": {"any_": [artifact_key(project, target, flow)]}}, "sort": "CREATED_DESC"}
    return [record_of(found, "created") for found in read_all(api, "/artifacts/filter", body)]


def records_of_all(api: PrefectApi, project: str, target: str) -> list[ReleaseRecord]:
    """Every release record of a target. Raises PrefectError."""
    beginning = f"{artifact_key(project, target)}--"
    body = {"artifacts": {"key": {"like_": beginning}}, "sort": "CREATED_DESC"}
    found = read_all(api, "/artifacts/filter", body)
    return [record_of(one, "created") for one in found if str(one["key"]).startswith(beginning)]


def all_deployments(api: PrefectApi) -> list[Mapping[str, Json]]:
    """Every deployment of the server, whoever made it. Raises PrefectError."""
    return read_all(api, "/deployments/filter", {"sort": "CREATED_DESC"})


def deployed_task_definitions(api: PrefectApi) -> set[str]:
    """The ARNs that any deployment of the server names, whoever made it. Raises PrefectError."""
    return {str((one.get("job_variables") or {}).get(ARN_VARIABLE)) for one in all_deployments(api)}


def unfinished_runs(api: PrefectApi) -> list[Mapping[str, Json]]:
    """The flow runs that have begun, or are about to, and are not finished. Raises PrefectError.

    Not those that are only scheduled: they begin with what is deployed then.
    """
    begun: Json = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING", "PAUSED"]}}
    waiting: Json = {"name": {"any_": ["AwaitingRetry"]}}
    wanted = [{"flow_runs": {"state": state}, "sort": "START_TIME_DESC"} for state in (begun, waiting)]
    return [run for body in wanted for run in read_all(api, "/flow_runs/filter", body)]
