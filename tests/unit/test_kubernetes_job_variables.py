"""Neutral settings as Kubernetes work pools take them: whole values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowyard.target import BucketStorage, KubernetesSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec, Json, Resources
from flowyard.work_pools import job_variables, mapped, task_definition

TARGET = Target(
    "cluster",
    "r.example",
    "{flow}",
    "pool",
    "kubernetes",
    PrefectChoice("http://x/api"),
    kubernetes=KubernetesSettings(),
)
DAILY = DeploymentSpec("daily", "flow.py")
LEAST = {
    "namespace": "default",
    "image_pull_policy": "IfNotPresent",
    "finished_job_ttl": 3600,
    "env": {},
}


def test_the_least() -> None:
    assert job_variables(TARGET, DAILY) == LEAST
    assert (mapped(TARGET, DAILY), task_definition(TARGET, DAILY)) == (LEAST, None)


def test_everything() -> None:
    target = replace(
        TARGET,
        results=BucketStorage("acme-results", "flows"),
        env={"LOG_LEVEL": "INFO"},
        secrets={"DB_PASSWORD": "database/password", "PREFECT_API_KEY": "prefect/api-key"},
        job_variables={"labels": {"cost": "42"}, "backoff_limit": 1},
        kubernetes=KubernetesSettings(
            "flows", "flow-runner", ("login", "other"), "Always", {"team": "data", "cost": "1"}, 60
        ),
    )
    daily = replace(
        DAILY,
        resources=Resources(0.25, 512 << 20),
        env={"DAY": "today"},
        secrets={"DB_PASSWORD": "daily/password"},
        job_variables={"env": {"PREFECT_LOGGING_LEVEL": "DEBUG"}},
    )
    assert job_variables(target, daily) == {
        "namespace": "flows",
        "service_account_name": "flow-runner",
        "image_pull_policy": "Always",
        "image_pull_secrets": [{"name": "login"}, {"name": "other"}],
        "finished_job_ttl": 60,
        "backoff_limit": 1,
        "labels": {"team": "data", "cost": "42"},
        "cpu_request": "250m",
        "cpu_limit": "250m",
        "memory_request": "536870912",
        "memory_limit": "536870912",
        "secrets": [
            {
                "name": "DB_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": "daily", "key": "password"}},
            },
            {
                "name": "PREFECT_API_KEY",
                "valueFrom": {"secretKeyRef": {"name": "prefect", "key": "api-key"}},
            },
        ],
        "env": {
            "LOG_LEVEL": "INFO",
            "DAY": "today",
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "FLOWYARD_KEEP_ENV": "PREFECT_API_KEY,PREFECT_LOGGING_LEVEL",
            "FLOWYARD_RESULTS": "s3://acme-results/flows",
            "DB_PASSWORD": None,
            "PREFECT_API_KEY": None,
        },
    }


@pytest.mark.parametrize("cpu", [0.0001, 1.5, 4.0])
def test_cores_are_thousandths(cpu: float) -> None:
    expected = {0.0001: "1m", 1.5: "1500m", 4.0: "4000m"}[cpu]
    found = job_variables(TARGET, replace(DAILY, resources=Resources(cpu)))
    assert found == {**LEAST, "cpu_request": expected, "cpu_limit": expected}


@pytest.mark.parametrize("name", ["env", "labels"])
@pytest.mark.parametrize("value", ["x", ["x"], None])
def test_what_is_no_table_is_left_to_the_work_pool_s_own_schema(name: str, value: Json) -> None:
    target = replace(TARGET, job_variables={name: value})
    assert job_variables(target, DAILY) == {name: value}
