"""Mistakes in targets on Amazon ECS and in what flows ask of them: what AWS would refuse, or never tell."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.table import Files

HELLO = "flows/hello/flow.toml"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/flows"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-AbCdEf"
EXECUTION = f'execution-role = "{ROLE}"'
VPC, SUBNET, GROUP = '"vpc-0123456789abcdef0"', '"subnet-0123456789abcdef0"', '"sg-0123456789abcdef0"'
ECS = """[project]
name = "acme"

[targets.local]
registry = { type = "ecr", region = "eu-west-1" }
work-pool = { name = "pool", type = "ecs" }
prefect = { api = "http://prefect.example/api" }
"""


def ecs(*lines: str, target: str = "", role: str = EXECUTION) -> dict[str, str]:
    """An ECS target with these lines in its table `ecs`, and `target` before that."""
    text = "\n".join(line for line in (target, "[targets.local.ecs]", role, *lines) if line)
    return {"registry.toml": f"{ECS}{text}\n"}


def pool(kind: str) -> dict[str, str]:
    """A target with a work pool of this type."""
    return {"registry.toml": ECS.replace('type = "ecs"', f'type = "{kind}"')}


def deployment(text: str, files: Mapping[str, str] | None = None) -> dict[str, str]:
    """A deployment with these settings on an ECS target."""
    return {**(files or ecs()), HELLO: f'platforms = ["linux/amd64"]\n[deployments.daily]\n{text}\n'}


def providers(*tables: str, role: str = EXECUTION, kind: str = "FARGATE") -> dict[str, str]:
    """An ECS target with these capacity providers."""
    joined = ", ".join(f"{{ {table} }}" for table in tables)
    return ecs(f'launch-type = "{kind}"', f"capacity-providers = [{joined}]", role=role)


MISTAKES: Mapping[str, Files] = {
    # work pools
    "work pool that starts processes": pool("process"),
    "work pool of Prefect's own machines": pool("prefect:managed"),
    "work pool of Modal": pool("modal:push"),
    "work pool of Cloud Run": pool("cloud-run:push"),
    "work pool of a type that is mistyped": pool("ecs-push"),
    "ECS settings of a docker pool": {
        "registry.toml": ECS.replace('type = "ecs"', 'type = "docker"') + "[targets.local.ecs]\n"
    },
    "secrets of a docker pool": {
        "registry.toml": ECS.replace('type = "ecs"', 'type = "docker"') + f'secrets = {{ A = "{SECRET}" }}\n'
    },
    "secrets of a deployment on a docker pool": deployment(
        f'secrets = {{ A = "{SECRET}" }}',
        {"registry.toml": ECS.replace('type = "ecs"', 'type = "docker"')},
    ),
    # roles
    "ECR image without an execution role": ecs(role=""),
    "secrets without an execution role": ecs(
        'launch-type = "EC2"', target=f'secrets = {{ A = "{SECRET}" }}', role=""
    ),
    "log group without an execution role": ecs('launch-type = "EC2"', 'log-group = "/flows"', role=""),
    "secrets of a deployment without an execution role": deployment(
        f'secrets = {{ A = "{SECRET}" }}', ecs('launch-type = "EC2"', role="")
    ),
    "exec without a task role": ecs("exec = true"),
    "role of wrong form": ecs('task-role = "flows"'),
    # network
    "subnets without their VPC": ecs(f"subnets = [{SUBNET}]"),
    "security groups without subnets": ecs(f"security-groups = [{GROUP}]", f"vpc = {VPC}"),
    "public address without subnets": ecs("public-ip = true"),
    "public address on EC2": ecs(
        f"public-ip = true\nvpc = {VPC}\nsubnets = [{SUBNET}]", 'launch-type = "EC2"'
    ),
    "VPC without subnets on EC2": ecs(f"vpc = {VPC}", 'launch-type = "EC2"'),
    "too many subnets": ecs(f"vpc = {VPC}", f"subnets = [{', '.join([SUBNET] * 17)}]"),
    "too many security groups": ecs(
        f"vpc = {VPC}", f"subnets = [{SUBNET}]", f"security-groups = [{', '.join([GROUP] * 6)}]"
    ),
    "subnet of wrong form": ecs(f"vpc = {VPC}", 'subnets = ["subnet-1"]'),
    # where tasks run
    "cluster in another region": ecs(f'cluster = "arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/flows"'),
    "cluster that is a service": ecs(f'cluster = "arn:aws:ecs:eu-west-1:{ACCOUNT}:service/flows/etl"'),
    "cluster that is no ARN": ecs('cluster = "arn:flows"'),
    "region missing": {
        "registry.toml": ECS.replace('"ecr", region = "eu-west-1"', '"oci", url = "registry.example"')
    },
    "registry on loopback": {
        "registry.toml": ECS.replace('"ecr", region = "eu-west-1"', '"embedded"')
        + '[targets.local.ecs]\nregion = "eu-west-1"\n'
    },
    "results in a volume": ecs(target='results = "volume:results"'),
    "spot on EC2": providers('name = "FARGATE_SPOT"', kind="EC2"),
    "instances on Fargate": providers('name = "FARGATE"', 'name = "gpu"'),
    "capacity provider twice": providers('name = "FARGATE"', 'name = "FARGATE"'),
    "two bases": providers('name = "FARGATE", base = 1', 'name = "FARGATE_SPOT", base = 1'),
    "no shares": providers('name = "FARGATE_SPOT", weight = 0'),
    "disk on EC2": ecs("ephemeral-storage = 50", 'launch-type = "EC2"'),
    "disk that is too small": ecs("ephemeral-storage = 20"),
    "launch type of wrong form": ecs('launch-type = "FARGATE_SPOT"'),
    "processor of wrong form": ecs('architecture = "amd64"'),
    # tags
    "tag of AWS's own": ecs('tags = { "aws:team" = "data" }'),
    "tag of Flowyard's own": ecs('tags = { "flowyard:flow" = "etl" }'),
    "tag with illegal characters": ecs('tags = { team = "data, please" }'),
    "tags that are too many": ecs("tags = { " + ", ".join(f't{number} = ""' for number in range(44)) + " }"),
    # secrets
    "secret in another region": ecs(
        target=f'secrets = {{ A = "{SECRET.replace("eu-west-1", "us-east-1")}" }}'
    ),
    "secret that is a bucket": ecs(target='secrets = { A = "arn:aws:s3:::acme/secret" }'),
    "secret with half a key": ecs(target=f'secrets = {{ A = "{SECRET}:password" }}'),
    "secret that is no ARN": ecs(target='secrets = { A = "hunter2" }'),
    "secret of a deployment in another region": deployment(
        f'secrets = {{ A = "arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/db" }}'
    ),
    "secret that is a variable too": deployment(f'secrets = {{ A = "{SECRET}" }}\nenv = {{ A = "1" }}'),
    "secret of the target that is a variable too": ecs(
        target=f'secrets = {{ A = "{SECRET}" }}\nenv = {{ A = "1" }}'
    ),
    "variable of a deployment that is a secret of the target": deployment(
        'env = { A = "1" }', ecs(target=f'secrets = {{ A = "{SECRET}" }}')
    ),
    # what a deployment asks for
    "memory that Fargate does not have": deployment('resources = { cpu = 1, memory = "1Gi" }'),
    "memory between Fargate's steps": deployment('resources = { cpu = 8, memory = "18Gi" }'),
    "memory that is more than Fargate has": deployment('resources = { memory = "1Ti" }'),
    "cores that Fargate does not have": deployment("resources = { cpu = 3 }"),
    "cores and memory that Fargate does not have": deployment('resources = { cpu = 0.3, memory = "700Mi" }'),
    "memory of the largest Fargate task": deployment('resources = { cpu = 32, memory = "64Gi" }'),
    "memory below what a container gets": deployment(
        'resources = { memory = "1Mi" }', ecs('launch-type = "EC2"')
    ),
    "platform that the tasks do not have": {
        **ecs('architecture = "arm64"'),
        HELLO: 'platforms = ["linux/amd64"]\n',
    },
    "environment of a hundred kilobytes": deployment(f'env = {{ A = "{"x" * 100_000}" }}'),
    "command of five thousand characters": deployment(f'job-variables = {{ command = "{"x" * 5000}" }}'),
    "job variables that a task definition makes void": deployment(
        'job-variables = { cpu = 512, family = "x", vpc_id = "vpc-1", task_definition_arn = "x:1" }'
    ),
    "job variables of the target that a task definition makes void": ecs(
        target='job-variables = { execution_role_arn = "x", secrets = [], configure_cloudwatch_logs = true }'
    ),
}
