"""Kubernetes work pools: the manifests are prefect-kubernetes's own, and held against the schema of Kubernetes."""

from __future__ import annotations

import asyncio
import copy
import uuid
from dataclasses import replace
from typing import Any

import pytest
from prefect.client.schemas.objects import Flow, FlowRun
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

from flowyard.target import BucketStorage, KubernetesSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec, Resources
from flowyard.work_pools import base_job_template, job_variables
from tests.integration.cluster import problem_of

IMAGE = f"registry.example/flows/etl@sha256:{'a' * 64}"
LEAST = Target(
    "cluster",
    "registry.example",
    "{flow}",
    "pool",
    "kubernetes",
    PrefectChoice("http://x/api"),
    kubernetes=KubernetesSettings(),
)
WHOLE = replace(
    LEAST,
    results=BucketStorage("acme-results", "flows"),
    env={"LOG_LEVEL": "INFO"},
    secrets={"DB_PASSWORD": "database/password", "PREFECT_API_KEY": "prefect/api-key"},
    kubernetes=KubernetesSettings("flows", "runner", ("login",), "Always", {"example.com/team": "data"}, 60),
)
DAILY = DeploymentSpec("daily", "flow.py")
SIZED = replace(DAILY, resources=Resources(0.5, 512 << 20))


def manifest(target: Target, deployment: DeploymentSpec) -> dict[str, Any]:
    """The job that the worker makes of a run of this deployment, in a pool that Flowyard made."""
    template = copy.deepcopy(dict(base_job_template("kubernetes")))
    values = {**job_variables(target, deployment), "image": IMAGE}
    client: Any = object()  # not asked: there are no blocks and variables to look up
    made = KubernetesWorkerJobConfiguration.from_template_and_values(
        base_job_template=template, values=values, client=client
    )
    configuration = asyncio.run(made)
    flow = Flow(id=uuid.UUID(int=2), name="etl", labels={})
    configuration.prepare_for_flow_run(FlowRun(id=uuid.UUID(int=1), flow_id=flow.id, name="run"), None, flow)
    job: dict[str, Any] = configuration.job_manifest
    return job


def test_the_template_is_the_worker_s_own_and_a_little_more() -> None:
    ours, theirs = base_job_template("kubernetes"), KubernetesWorker.get_default_base_job_template()
    added = ours["variables"]["properties"].keys() - theirs["variables"]["properties"].keys()
    assert added == {"secrets", "image_pull_secrets"}
    pod = ours["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert pod.pop("imagePullSecrets") == "{{ image_pull_secrets }}"
    assert pod["containers"][0].pop("env") == "{{ secrets }}"
    del theirs["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert ours["job_configuration"] == theirs["job_configuration"]


@pytest.mark.parametrize("target", [LEAST, WHOLE])
@pytest.mark.parametrize("deployment", [DAILY, SIZED])
def test_a_manifest_is_what_a_cluster_takes(target: Target, deployment: DeploymentSpec) -> None:
    assert problem_of(manifest(target, deployment)) is None


def test_a_manifest_says_all_that_the_settings_do() -> None:
    job = manifest(WHOLE, SIZED)
    assert (job["metadata"]["namespace"], job["spec"]["ttlSecondsAfterFinished"]) == ("flows", 60)
    pod = job["spec"]["template"]
    assert (
        pod["metadata"]["labels"]["example.com/team"]
        == job["metadata"]["labels"]["example.com/team"]
        == "data"
    )
    assert (pod["spec"]["serviceAccountName"], pod["spec"]["imagePullSecrets"]) == (
        "runner",
        [{"name": "login"}],
    )
    (container,) = pod["spec"]["containers"]
    size = {"cpu": "500m", "memory": "536870912"}
    assert container["resources"] == {"limits": size, "requests": size}
    assert (container["image"], container["imagePullPolicy"]) == (IMAGE, "Always")
    assert container["args"] == ["prefect", "flow-run", "execute"]  # the image's own entrypoint is left
    env = {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}
    assert len(env) == len(container["env"])
    assert env.items() >= {"LOG_LEVEL": "INFO", "FLOWYARD_RESULTS": "s3://acme-results/flows"}.items()
    assert env["DB_PASSWORD"] == {"secretKeyRef": {"name": "database", "key": "password"}}
    assert env["PREFECT_API_KEY"] == {"secretKeyRef": {"name": "prefect", "key": "api-key"}}


def test_a_schema_that_takes_everything_would_prove_nothing() -> None:
    job = manifest(LEAST, DAILY)
    job["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = "Always"
    found = problem_of(job)
    assert found is not None
    assert "imagePullPolicies" in found
