"""A flow that does not fit a target concerns who handles that flow on that target, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError
from flowyard.load import load
from flowyard.planning.desired import check_target, want, want_all
from flowyard.values import Project
from tests.support import FLOW, MINIMAL, lock, make_project

PRODUCTION = """
[targets.production]
registry = { type = "ecr", region = "eu-west-1" }
work-pool = { name = "ecs", type = "ecs" }
prefect = { api = "http://production.example/api" }

[targets.production.ecs]
execution-role = "arn:aws:iam::123456789012:role/flows"
"""
ODD = 'platforms = ["linux/amd64"]\n[deployments.daily]\nresources = { cpu = 3, memory = "1Gi" }\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """`hello` has resources that are no pair on Fargate."""
    files = {
        "registry.toml": MINIMAL["registry.toml"] + PRODUCTION,
        "flows/hello/flow.toml": ODD,
        "flows/etl/flow.py": FLOW,
        "flows/etl/flow.toml": 'platforms = ["linux/amd64"]\n',
    }
    root = make_project(tmp_path / "project", files)
    lock(root)
    return load(root)


def test_other_targets_and_other_flows_are_handled(project: Project) -> None:
    production = project.targets["production"]
    assert len(want_all(project, project.flows, project.targets["local"])) == 2
    (etl,) = (flow for flow in project.flows if flow.name == "etl")
    assert want(project, etl, production).flow is etl
    assert check_target(project, project.targets["local"]).name == "local"


def test_the_flow_on_the_target_is_told_of(project: Project) -> None:
    production = project.targets["production"]
    for ask in (
        lambda: want_all(project, project.flows, production),
        lambda: check_target(project, production),
    ):
        with pytest.raises(ConfigurationError) as caught:
            ask()
        (problem,) = caught.value.problems
        assert str(problem).startswith("flows/hello/flow.toml: deployments.daily.resources: ")
        assert "(target production)" in str(problem)
