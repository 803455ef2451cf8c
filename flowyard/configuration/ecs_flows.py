"""What does not fit together between a flow and a target whose tasks run on Amazon ECS."""

from __future__ import annotations

from collections.abc import Iterator

from flowyard.aws.limits import definition_problem, overrides_problem
from flowyard.aws.secrets import secret_problem
from flowyard.aws.sizes import size_problem
from flowyard.configuration.ecs import void_job_variables, why_void
from flowyard.target import Target
from flowyard.values import DeploymentSpec, Flow
from flowyard.work_pools import job_variables, task_definition

Found = Iterator[tuple[str, str]]  # a key in flow.toml, and what is wrong with it

_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def deployment_problems(deployment: DeploymentSpec, target: Target) -> Found:
    """What is wrong with a deployment on an ECS target."""
    key, ecs = f"deployments.{deployment.name}", target.ecs
    if ecs is None or not ecs.region:  # that the region is missing is told of with the target
        return
    found = {f"{key}.resources": size_problem(deployment.resources, fargate=ecs.launch_type == "FARGATE")}
    found |= {
        f"{key}.secrets.{name}": secret_problem(arn, ecs.region) for name, arn in deployment.secrets.items()
    }
    for where, text in found.items():
        if text is not None:
            yield where, f"{text} (target {target.name})"
    if deployment.secrets and ecs.execution_role is None:
        needed = f"needs `ecs.execution-role` of target {target.name}: ECS reads secrets as that role"
        yield f"{key}.secrets", needed
    for name in void_job_variables(deployment.job_variables):
        yield f"{key}.job-variables.{name}", why_void(name)
    yield from _variable_problems(key, deployment, target)


def _variable_problems(key: str, deployment: DeploymentSpec, target: Target) -> Found:
    """What is wrong with the whole of what a task is given, wherever each part comes from."""
    definition = task_definition(target, deployment) or {}
    container = definition["containerDefinitions"][0]
    both = {one["name"] for one in container["secrets"]} & {one["name"] for one in container["environment"]}
    for name in sorted(both - (target.secrets.keys() & target.env.keys())):
        where = "secrets" if name in deployment.secrets else "env"
        twice = f"is both a secret and a variable on target {target.name}; keep one, ECS takes no name twice"
        yield f"{key}.{where}.{name}", twice
    tags = dict(target.ecs.tags) if target.ecs else {}
    found = {
        key: definition_problem({**definition, "tags": tags}),
        f"{key}.job-variables": overrides_problem(job_variables(target, deployment)),
    }
    for where, text in found.items():
        if text is not None:
            yield where, f"{text} (target {target.name})"


def platform_problem(flow: Flow, target: Target) -> tuple[str, str] | None:
    """What is wrong with the platforms of a flow that the target runs, where they are known."""
    if target.ecs is None or not flow.platforms or not flow.deployments_on(target.name):
        return None
    wanted = _PLATFORMS[target.ecs.architecture]
    if any(one == wanted or one.startswith(f"{wanted}/") for one in flow.platforms):
        return None
    text = (
        f"{', '.join(flow.platforms)} cannot run on target {target.name}, whose tasks have "
        f'ecs.architecture = "{target.ecs.architecture}"; set platforms = ["{wanted}"]'
    )
    return "platforms", text
