"""The environment of a run, the same on every type of work pool.

Apart from the types, because the image's runtime part reads these names, whoever set them.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.render import RESULTS_FOLDER
from flowyard.runtime.names import KEEP_ENV, RESULTS_ENV
from flowyard.target import BucketStorage, Target
from flowyard.values import DeploymentSpec


def run_environment(target: Target, deployment: DeploymentSpec, own: Mapping[str, str]) -> dict[str, str]:
    """The variables of every run; `own` are those among the job variables, which count most."""
    env = {**target.env, **deployment.env, **own}
    named = {*env, *target.secrets, *deployment.secrets}
    kept = sorted(name for name in named if name.startswith("PREFECT_"))
    if kept:
        env[KEEP_ENV] = ",".join(kept)
    if target.results is not None:
        env[RESULTS_ENV] = results_address(target)
    if target.ecs is not None and isinstance(target.results, BucketStorage):
        # Fargate says it by itself. A private subnet reaches no other region, to ask there where the bucket is.
        env.setdefault("AWS_REGION", target.ecs.region)
    return env


def results_address(target: Target) -> str:
    """Where the image's runtime part writes results, empty where it keeps none."""
    if isinstance(target.results, BucketStorage):
        return str(target.results)
    return "" if target.results is None else f"file://{RESULTS_FOLDER}"
