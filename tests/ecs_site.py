"""A project with one flow on an ECS target, and fakes around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.records import ReleaseRecord, record_of
from flowyard.values import Json
from tests.support import lock, make_project, write_files
from tests.yard_site import Site

HELLO = "flows/hello/flow.toml"
ROLE = "arn:aws:iam::123456789012:role/flows"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"
REGISTRY = f"""[project]
name = "acme"

[defaults]
platforms = ["linux/amd64"]

[targets.local]
registry = {{ type = "ecr", region = "eu-west-1" }}
work-pool = {{ name = "pool", type = "ecs" }}
prefect = {{ api = "http://prefect.example/api" }}
order = "none"
secrets = {{ A_SECRET = "{SECRET}" }}

[targets.local.ecs]
cluster = "flows"
execution-role = "{ROLE}"
"""
TWO = "[deployments.daily]\n[deployments.weekly]\n"
_VARIABLES = (
    *("task_definition_arn", "image", "cluster", "launch_type", "cpu", "memory", "container_name", "env"),
    *("capacity_provider_strategy", "vpc_id", "network_configuration", "task_role_arn", "labels"),
)
TEMPLATE: Mapping[str, Json] = {
    "job_configuration": {name: f"{{{{ {name} }}}}" for name in _VARIABLES},
    "variables": {"type": "object", "properties": {name: {} for name in _VARIABLES}},
}


def ecs_site(root: Path, files: Mapping[str, str | None] | None = None) -> Site:
    """The project with two deployments, and a work pool of type ecs."""
    made = make_project(root, {"registry.toml": REGISTRY, HELLO: TWO})
    write_files(made, files or {})
    lock(made)
    site = Site(made)
    site.server.pools["pool"] = {**site.server.pools["pool"], "type": "ecs", "base_job_template": TEMPLATE}
    return site


def arns(site: Site) -> dict[str, str]:
    """The task definition that each deployment of the server names: family and revision."""
    return {
        name: str(row["job_variables"]["task_definition_arn"]).rpartition("/")[2]
        for name, row in site.server.by_name().items()
    }


def records(site: Site, flow: str = "hello") -> list[ReleaseRecord]:
    """The flow's release records, the oldest first."""
    key = artifact_key("acme", "local", flow)
    return [record_of(one, "created") for one in site.server.artifacts if one["key"] == key]
