"""The embedded docker worker and the work pool it polls.

The work pool is created without a base job template and the worker brings its own: the template the server
ships is older than the worker (it lacks `container_create_kwargs`), and reading the worker's here would
import Prefect.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from flowyard.adapters.prefect_api import problem_of
from flowyard.embedded import engine, process
from flowyard.embedded.addresses import ask
from flowyard.embedded.options import Call
from flowyard.embedded.process import Launch
from flowyard.embedded.state import LOOPBACK, Service
from flowyard.errors import PrefectError
from flowyard.values import FINAL_STATES, Json

_LAUNCHER = Path(__file__).with_name("prefect_worker.py")
_POOL_TYPE = "docker"
_SECONDS = 90.0


def healthy(service: Service | None, api_port: int, pool: str) -> bool:
    """Whether the noted worker runs, polls the API on this port, and the work pool is ready for deployments.

    Without a base job template the server checks no job variables. A running worker brings it again only
    after up to half a minute, a new one at once.
    """
    if service is None or service.port != api_port or not process.alive(service):
        return False
    return _has_template(api_port, pool)


def ensure_pool(api_port: int, pool: str) -> None:
    """Create the work pool when it is missing. Raises PrefectError when it is not of type docker."""
    status, found = ask("GET", api_port, f"/api/work_pools/{quote(pool, safe='')}")
    if status == 404:
        status, found = ask("POST", api_port, "/api/work_pools/", {"name": pool, "type": _POOL_TYPE})
    if status not in (200, 201):
        raise PrefectError(
            f"the Prefect server answered {status} when asked for the work pool {pool!r}: {problem_of(found)}",
            hint="use another name when it says the name is not allowed; otherwise see the server's log",
        )
    if found["type"] != _POOL_TYPE:
        raise PrefectError(
            f"the work pool {pool!r} is of type {found['type']!r}; the embedded worker serves {_POOL_TYPE!r}",
            hint="name another work pool for this target, or delete this one in the Prefect UI",
        )


def start(call: Call, api_port: int) -> Service:
    """Start the worker and wait until the server has its first heartbeat and the pool its template.

    Raises PrefectError, with the end of its log, when that does not happen.
    """
    home, pool = call.folder / "worker", call.options.work_pool
    home.mkdir(parents=True, exist_ok=True)
    argv = command(sys.executable, home, pool, worker_name(call.folder))
    env = environment(call.options.environ, home, api_port, call.options.poll)
    service = process.start(Launch("worker", argv, env, call.log("worker")), call.folder, api_port)
    call.undo.callback(process.stop, service)
    problem = process.wait_ready(service, lambda: _online(service, pool, worker_name(call.folder)), _SECONDS)
    if problem:
        raise PrefectError(
            f"the docker worker {problem}; the end of its log:\n{process.last_lines(service.log)}",
            hint="the log says why; then run `up` again",
            log=service.log,
        )
    return service


def ask_to_stop(service: Service | None) -> None:
    """Tell the worker to take no more runs, without waiting for its end."""
    if service is not None:
        process.ask_to_stop(service)


def stop(service: Service | None, folder: Path, *, asked: bool = False) -> bool:
    """Stop the worker, also one that the state does not know; whether there was one. Containers it started run on."""
    if service is not None:
        process.stop(service, asked=asked)
    return process.stop_marked(folder, "worker") or service is not None


def stop_runs(folder: Path, api_port: int | None) -> int:
    """End the containers this project's worker started, and have the API call their runs crashed.

    Only containers with this worker's name on them are touched. `api_port` is None when no server answers.
    Returns how many there were. Raises EngineError.
    """
    stopped = engine.stop_labelled(f"io.prefect.worker-name={worker_name(folder)}")
    for labels in stopped:
        if api_port is not None:
            _call_crashed(api_port, labels.get("io.prefect.flow-run-id", ""))
    return len(stopped)


def crashed() -> Json:
    """The request that says a run was ended by `down`."""
    message = "The embedded services were stopped by `down` while this run was going."
    return {"state": {"type": "CRASHED", "name": "Crashed", "message": message}, "force": True}


def delete_data(folder: Path) -> None:
    """Delete the worker's own folder."""
    shutil.rmtree(folder / "worker", ignore_errors=True)


def worker_name(folder: Path) -> str:
    """The worker's name: one per state folder, since its containers are known by it."""
    return f"flowyard-{process.instance_id(folder)}"


def command(python: str, home: Path, pool: str, name: str) -> tuple[str, ...]:
    """How the worker is started."""
    arguments = ("--pool", pool, "--type", _POOL_TYPE, "--name", name, "--install-policy", "never")
    return (python, "-P", str(_LAUNCHER), str(home), *arguments)


def environment(inherited: Mapping[str, str], home: Path, api_port: int, poll: float) -> dict[str, str]:
    """The worker's whole environment. Prefect hands these settings on to every container it starts."""
    return {
        **process.inherited_environment(inherited),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{LOOPBACK}:{api_port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": f"{poll:g}",
    }


def _call_crashed(api_port: int, run: str) -> None:
    path = f"/api/flow_runs/{quote(run, safe='')}"
    status, found = ask("GET", api_port, path)
    if status == 200 and found["state_type"] not in FINAL_STATES:
        ask("POST", api_port, f"{path}/set_state", crashed())


def _online(service: Service, pool: str, name: str) -> bool:
    path = f"/api/work_pools/{quote(pool, safe='')}"
    status, workers = ask("POST", service.port, f"{path}/workers/filter", {})
    if status != 200 or not any(_beats(worker, name, service.started or 0.0) for worker in workers):
        return False
    return _has_template(service.port, pool)


def _has_template(api_port: int, pool: str) -> bool:
    status, found = ask("GET", api_port, f"/api/work_pools/{quote(pool, safe='')}")
    return status == 200 and bool(found["base_job_template"])


def _beats(worker: Json, name: str, since: float) -> bool:
    """Whether this is our worker's heartbeat, and not the last one of its predecessor."""
    if worker["name"] != name or not worker["last_heartbeat_time"]:
        return False
    return datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp() > since
