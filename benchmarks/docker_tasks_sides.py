"""Who is measured beside Docker tasks: `run_deployment` with what it does by itself, and at its best.

Its children have our image, bytecode included, and keep their results on the volume that their caller has, too.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contestants import Site
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.values import Json

DEFAULT = "run_deployment, by itself"
BEST = "run_deployment, at its best"
OURS_TOO = "run_deployment, at its best, our worker and command"
_COPIED = ("flow_id", "entrypoint", "pull_steps", "parameter_openapi_schema", "enforce_parameter_schema")
_SETTINGS = {
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "PREFECT_LOCAL_STORAGE_PATH": "/var/lib/flowyard/results/peer",
}
_STARTS = 15.0  # seconds, in which a worker has made its pool and asked for the first time


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to call. `pool` is the work pool of its worker, None for ours; `settings` are that worker's;
    `options` go to `run_deployment`."""

    name: str
    pool: str | None
    options: Mapping[str, Json]
    settings: Mapping[str, str] = field(default_factory=dict)


_QUICK = {"poll_interval": 0.25, "as_subflow": False}
PEERS = (
    Peer(DEFAULT, "stock", {}),
    Peer(BEST, "stock-best", _QUICK, {"PREFECT_WORKER_QUERY_SECONDS": "1"}),
    Peer(OURS_TOO, None, _QUICK),
)


@contextmanager
def worker(site: Site, folder: Path, peer: Peer) -> Iterator[None]:
    """Prefect's docker worker with the peer's settings; it makes its work pool."""
    assert peer.pool is not None
    command = [site.environment.program("prefect"), "worker", "start", "--pool", peer.pool]
    environ = {**site.environ, **peer.settings, "PREFECT_API_URL": site.api_url}
    with (folder / f"{peer.pool}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--type", "docker", "--install-policy", "never"],
            env=environ,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            time.sleep(_STARTS)
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def peer_deployment(api: PrefectRest, ours: Mapping[str, Json], peer: Peer) -> str:
    """The id of a deployment of the same image: with Prefect's own command where the worker is, too."""
    variables = ours["job_variables"]
    env = {**_SETTINGS, "FLOWYARD_KEEP_ENV": ",".join(_SETTINGS)}
    if peer.pool is None:
        env = {**variables["env"], **env}
        variables = {**variables, "env": env}
    else:
        env["FLOWYARD_RUNNER"] = "prefect"
        variables = {
            **{name: variables[name] for name in ("image", "volumes")},
            "env": env,
            "auto_remove": True,
        }
    body = {name: ours[name] for name in _COPIED}
    pool = {"work_pool_name": peer.pool or ours["work_pool_name"], "job_variables": variables}
    made = api.request("POST", "/deployments/", {**body, **pool, "name": f"peer-{peer.pool or 'ours'}"})
    return str(made["id"])
