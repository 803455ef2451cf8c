"""Why a run is not executed, as far as the server can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowyard.runtime.tasks.logs import repeat_log

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


class ServerAccounts:
    """What the server says of a run."""

    def why_waiting(self, run: str) -> str:
        """As Accounts.why_waiting: which limit holds the run back, or that no worker is there."""
        return _reason(UUID(run))

    def repeat_log(self, run: str, task: str) -> None:
        """As Accounts.repeat_log: what the run returned does not hang on its log."""
        repeat_log(run, task)


def _reason(run: UUID) -> str:
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_run(run)
            return _deployment(client, found) or _pool(client, found) or f"it is {_state(found)}"
    except Exception as error:  # a reason that cannot be found is none to hide the error it belongs to
        return f"the server does not say why ({type(error).__name__}: {error})"


def _state(run: FlowRun) -> str:
    return f"{run.state.name}: {run.state.message or 'no reason given'}" if run.state else "without a state"


def _deployment(client: SyncPrefectClient, run: FlowRun) -> str:
    if run.deployment_id is None or run.state is None or run.state.name != "AwaitingConcurrencySlot":
        return ""
    limit = client.read_deployment(run.deployment_id).global_concurrency_limit
    return f"its deployment runs {limit.limit if limit else 'few'} at once, and they are all taken"


def _pool(client: SyncPrefectClient, run: FlowRun) -> str:
    name = run.work_pool_name
    if name is None:
        return "it has no work pool"
    pool = client.read_work_pool(name)
    if pool.is_paused:
        return f"work pool {name} is paused"
    taken = _taken(client, work_pools={"name": {"any_": [name]}})
    if pool.concurrency_limit is not None and taken >= pool.concurrency_limit:
        return _full(f"work pool {name}", pool.concurrency_limit)
    queue = _queue(client, run, name)
    if queue:
        return queue
    answer = client._client.post(f"/work_pools/{name}/workers/filter", json={})
    if not any(worker.get("status") == "ONLINE" for worker in answer.json()):
        return f"no worker polls work pool {name}"
    return ""


def _queue(client: SyncPrefectClient, run: FlowRun, pool: str) -> str:
    name = run.work_queue_name
    if name is None:
        return ""
    found: Any = client._client.get(f"/work_pools/{pool}/queues/{name}").json()
    if found.get("is_paused"):
        return f"work queue {name} of {pool} is paused"
    limit = found.get("concurrency_limit")
    if limit is None:
        return ""
    taken = _taken(client, work_pools={"name": {"any_": [pool]}}, work_pool_queues={"name": {"any_": [name]}})
    return _full(f"work queue {name} of {pool}", limit) if taken >= limit else ""


def _taken(client: SyncPrefectClient, **filters: Any) -> int:
    states = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    return int(client._client.post("/flow_runs/count", json={**filters, "flow_runs": states}).json())


def _full(what: str, limit: int) -> str:
    return (
        f"{what} runs {limit} at once and all are taken, perhaps by the runs that wait for their Docker tasks: "
        "raise that limit, or give the called flow a work queue or pool of its own"
    )
