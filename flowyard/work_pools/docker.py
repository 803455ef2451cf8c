"""Job variables of docker work pools.

Containers get an init process, because without one they ignore SIGTERM and a cancelled run looks like one
that ran out of memory; and they are removed when they end, because the stock worker leaves them behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.render import RESULTS_FOLDER
from flowyard.target import Target, VolumeStorage
from flowyard.values import DeploymentSpec, Json
from flowyard.work_pools.environment import run_environment


def job_variables(target: Target, deployment: DeploymentSpec) -> dict[str, Json]:
    """What prefect-docker's base job template knows, from the neutral settings and the user's own."""
    own = {**target.job_variables, **deployment.job_variables}
    for name, kind in (("container_create_kwargs", dict), ("volumes", list), ("env", dict)):
        if not isinstance(own.get(name, kind()), kind):
            return own  # it is refused with the work pool's own schema, which says what is wrong
    create = {"init": True, **_create_options(deployment), **own.pop("container_create_kwargs", {})}
    variables: dict[str, Json] = {"auto_remove": True, "container_create_kwargs": create}
    if deployment.resources.memory is not None:
        variables["mem_limit"] = str(deployment.resources.memory)
    volumes = list(own.pop("volumes", []))
    if isinstance(target.results, VolumeStorage):
        volumes.insert(0, f"{target.results.volume}:{RESULTS_FOLDER}")
    if volumes:
        variables["volumes"] = volumes
    return {**variables, **own, "env": run_environment(target, deployment, own.pop("env", {}))}


def base_job_template() -> Mapping[str, Json]:
    """The docker worker's own template. It imports prefect, so only a pool that is made pays for it."""
    from prefect_docker.worker import DockerWorker

    template: Mapping[str, Json] = DockerWorker.get_default_base_job_template()
    return template


def _create_options(deployment: DeploymentSpec) -> dict[str, Json]:
    cpu = deployment.resources.cpu
    return {} if cpu is None else {"nano_cpus": int(cpu * 1_000_000_000)}
