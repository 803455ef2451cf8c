"""The image that really runs: a run by the docker worker, whose container is looked at while it is there.

A container says which image it was made of by the image's own id, and the engine which digest that id has in which
repository: so it is the digest of what runs, and not of what was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress

import docker
from docker import DockerClient
from docker.errors import ImageNotFound, NotFound

from benchmarks.timing import BenchmarkFailed
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.values import FINAL_STATES, PrefectAddress

_SECONDS = 180.0  # of one run, from the trigger to its end
_PAUSE = 0.1  # shorter than any container lives


def images_that_run(prefect: str, deployment: str) -> frozenset[str]:
    """Trigger the deployment; all names by digest of the image that its container was made of.

    Raises BenchmarkFailed when the run does not complete, or its container was not seen.
    """
    api = PrefectRest(PrefectAddress(f"http://{prefect}/api"))
    run = api.request("POST", f"/deployments/{deployment}/create_flow_run", {})["id"]
    seen: frozenset[str] = frozenset()
    deadline = time.monotonic() + _SECONDS
    with closing(docker.from_env()) as engine:
        while True:
            seen = seen or frozenset(_digests(engine, run))
            state = api.request("GET", f"/flow_runs/{run}")["state"]
            if state["type"] in FINAL_STATES or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
    if state["type"] != "COMPLETED" or not seen:
        raise BenchmarkFailed(f"a run is {state['name']} ({state.get('message')}), its image {sorted(seen)}")
    return seen


def _digests(engine: DockerClient, run: str) -> Iterator[str]:
    label = f"io.prefect.flow-run-id={run}"
    for found in engine.api.containers(all=True, filters={"label": label}):
        with suppress(NotFound, ImageNotFound):  # it has just ended
            made_of = engine.api.inspect_container(found["Id"])["Image"]
            yield from engine.images.get(str(made_of)).attrs["RepoDigests"]
