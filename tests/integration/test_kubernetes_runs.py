"""Runs on Kubernetes: Prefect's own worker beside a cluster's API, and jobs that run as containers of this machine.

The worker may do in the cluster what docs/kubernetes.md says and no more; it watches what becomes of jobs and pods.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import urllib3
from docker.models.containers import Container

from flowyard.embedded.state import api_url
from tests.integration.cluster_api import serving, write_kubeconfig
from tests.integration.cluster_jobs import Cluster
from tests.integration.cluster_objects import Document
from tests.integration.embedded_services import wait_for
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.prefect_worker import running_worker
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

SECONDS = 300.0  # that a run may take to get somewhere; the machine may be slow
PASSWORD = uuid.uuid4().hex
FLOW = """import os
import time
from pathlib import Path

from prefect import flow


@flow
def jobs_greet(seconds: int = 0) -> None:
    places = [Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    memory = next(place.read_text() for place in places if place.exists())
    print("SEEN", os.environ["DB_PASSWORD"][::-1], memory, flush=True)
    time.sleep(seconds)
"""
SETTINGS = '[deployments.default]\nresources = { cpu = 1.5, memory = "512Mi" }\n'
REGISTRY = """[project]
name = "{name}"

[defaults]
base = "python:3.13-slim"
include = ["shared"]

[targets.local]
registry = {{ type = "oci", url = "{host}" }}
work-pool = {{ name = "cluster-pool", type = "kubernetes" }}
prefect = {{ api = "embedded" }}
secrets = {{ DB_PASSWORD = "database/password" }}

[targets.local.kubernetes]
namespace = "flows"
labels = {{ team = "data" }}
"""
ABSENT = {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "password"}}}


@dataclass(frozen=True)
class Site:
    """A flow that was shipped for a cluster, beside which a worker runs."""

    project: SmallProject
    cluster: Cluster
    url: str
    log: Path

    def start(self, parameters: Document, variables: Document | None = None) -> str:
        """A new run of the flow: its id."""
        deployment = self.project.deployment("jobs_greet")["id"]
        body = {"parameters": parameters, "job_variables": variables or {}}
        created = self.project.api.request("POST", f"/deployments/{deployment}/create_flow_run", body)
        return str(created["id"])

    def run_in(self, run: str, state: str, count: int) -> Document:
        """The run, once it is in this state, by type or name, and was running so many times."""

        def found() -> Document | None:
            now: dict[str, Any] = self.project.api.request("GET", f"/flow_runs/{run}")
            there = state in (now["state_type"], now["state_name"]) and now["run_count"] == count
            return now if there else None

        reached: Document = wait_for(found, SECONDS)
        return reached

    def held(self, plural: str, run: str) -> list[Document]:
        """What the cluster holds for a run."""
        return self.cluster.objects.find(plural, f"prefect.io/flow-run-id={run}")[0]

    def logged(self, run: str) -> str:
        """What the run's log says in Prefect."""
        asked = {"logs": {"flow_run_id": {"any_": [run]}}}
        return "\n".join(line["message"] for line in self.project.api.request("POST", "/logs/filter", asked))

    def delete_job(self, run: str) -> None:
        """As `kubectl delete job` does."""
        (job,) = self.held("jobs", run)
        path = f"/apis/batch/v1/namespaces/flows/jobs/{job['metadata']['name']}"
        answer = urllib3.request(
            "DELETE", f"{self.url}{path}?gracePeriodSeconds=120", timeout=180, retries=False
        )
        assert answer.status == 200, answer.data


@pytest.fixture(scope="module")
def site(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cluster")
    project = SmallProject(folder / "project", f"test-{uuid.uuid4().hex[:12]}", session_yard)
    fill(project)
    project.flow("jobs_greet", FLOW, SETTINGS)
    project.write("registry.toml", REGISTRY.format(name=project.name, host=project.host))
    shipped = project.program("ship")
    assert shipped.returncode == 0, shipped.stderr
    cluster = Cluster("flows", {"database": {"password": PASSWORD}})
    with serving(cluster) as url:
        write_kubeconfig(folder / "kubeconfig.json", url)
        settings = {
            "PREFECT_API_URL": api_url(session_yard.state),
            "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES": "flows",
            "KUBECONFIG": str(folder / "kubeconfig.json"),
        }
        with running_worker(folder / "worker", "cluster-pool", settings, "kubernetes") as log:
            yield Site(project, cluster, url, log)
    project.api.request("DELETE", f"/deployments/{project.deployment('jobs_greet')['id']}")


def containers(engine: docker.DockerClient, run: str) -> list[Container]:
    """The containers that run for a run."""
    return engine.containers.list(filters={"label": f"prefect.io/flow-run-id={run}"}, ignore_removed=True)


def test_a_run_has_the_secret_and_the_limits_of_its_job(site: Site) -> None:
    assert site.project.program("plan").stdout.splitlines()[-1] == "Nothing to do."
    ran = site.project.program("run", "jobs_greet", "--timeout=170")
    assert ran.returncode == 0, (ran.stderr, site.log.read_text())
    *_, job = site.cluster.objects.find("jobs", "team=data")[0]
    name = job["metadata"]["name"]
    (pod,), _ = site.cluster.objects.find("pods", f"job-name={name}")
    wait_for(lambda: (site.cluster.objects.get("jobs", name) or {})["status"] == {"succeeded": 1}, SECONDS)
    assert f"SEEN {PASSWORD[::-1]} {512 << 20}\n" in site.cluster.node.output[pod["metadata"]["name"]]
    deployment = site.project.deployment("jobs_greet")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == deployment["job_variables"]["image"]
    assert "@sha256:" in container["image"]
    assert PASSWORD not in str(deployment) + str(job) + str(pod) + site.log.read_text()


def test_a_run_is_scheduled_again_when_its_pod_has_to_go_and_crashes_with_it(
    site: Site, engine: docker.DockerClient
) -> None:
    run = site.start({"seconds": 600})
    site.run_in(run, "RUNNING", 1)
    (first,) = containers(engine, run)
    site.delete_job(run)
    site.run_in(run, "RUNNING", 2)
    (second,) = containers(engine, run)
    assert second.id != first.id
    second.kill()
    crashed = site.run_in(run, "CRASHED", 2)
    assert crashed["state"]["message"] == "No active or succeeded pods found for any job"
    (job,) = site.held("jobs", run)
    assert job["status"] == {"failed": 1}
    wait_for(lambda: not containers(engine, run), SECONDS)


def waiting(site: Site, run: str) -> Document:
    """Why the pod of a run waits."""

    def found() -> Document | None:
        statuses = [
            one for pod in site.held("pods", run) for one in pod["status"].get("containerStatuses", ())
        ]
        return statuses[0]["state"]["waiting"] if statuses else None

    why: Document = wait_for(found, SECONDS)
    return why


def test_a_pod_that_cannot_start_waits_and_says_why(site: Site) -> None:
    absent = f"{site.project.host}/absent@sha256:{'0' * 64}"
    pulled, configured = site.start({}, {"image": absent}), site.start({}, {"secrets": [ABSENT]})
    assert waiting(site, pulled)["reason"] == "ErrImagePull"
    assert waiting(site, configured)["reason"] == "CreateContainerConfigError"
    wait_for(lambda: "Image pull failed for container 'prefect-job'" in site.logged(pulled), SECONDS)
    for run in (pulled, configured):
        site.run_in(run, "InfrastructurePending", 0)
        site.delete_job(run)
        assert site.held("jobs", run) + site.held("pods", run) == []
