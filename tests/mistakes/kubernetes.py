"""Mistakes in targets on a Kubernetes cluster and in what flows ask of them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.table import Files

HELLO = "flows/hello/flow.toml"
CLUSTER = """[project]
name = "acme"

[targets.local]
registry = { type = "oci", url = "registry.example" }
work-pool = { name = "pool", type = "kubernetes" }
prefect = { api = "http://prefect.example/api" }
"""


def cluster(*lines: str, target: str = "", base: str = CLUSTER) -> dict[str, str]:
    """A Kubernetes target with these lines in its table `kubernetes`, and `target` before that."""
    text = "\n".join(line for line in (target, "[targets.local.kubernetes]" if lines else "", *lines) if line)
    return {"registry.toml": f"{base}{text}\n"}


def deployment(text: str, files: Mapping[str, str] | None = None) -> dict[str, str]:
    """A deployment with these settings on a Kubernetes target."""
    return {**(files or cluster()), HELLO: f"[deployments.daily]\n{text}\n"}


SECRET = 'secrets = { A = "database/password" }'
ARN = 'secrets = { A = "arn:aws:ssm:us-east-1:123456789012:parameter/db" }'
MISTAKES: Mapping[str, Files] = {
    "settings of a cluster for a docker pool": cluster(
        'namespace = "flows"', base=CLUSTER.replace('"kubernetes"', '"docker"')
    ),
    "settings of ECS for a cluster": cluster('[targets.local.ecs]\nregion = "eu-west-1"'),
    "namespace of wrong form": cluster('namespace = "Flows"'),
    "service account of wrong form": cluster('service-account = "flow runner"'),
    "pull policy of wrong form": cluster('pull-policy = "always"'),
    "pull secret of wrong form": cluster('image-pull-secrets = ["Login"]'),
    "label that is too long": cluster(f'labels = {{ team = "{"x" * 64}" }}'),
    "label whose name is no name": cluster('labels = { "my team" = "data" }'),
    "setting that is mistyped": cluster('image-pull-secret = "login"'),
    "jobs kept for less than no time": cluster("keep-jobs = -1"),
    "registry on loopback": cluster(base=CLUSTER.replace('"oci", url = "registry.example"', '"embedded"')),
    "results in a volume": cluster(target='results = "volume:results"'),
    "secret without a key": cluster(target='secrets = { A = "database" }'),
    "secret by ARN": cluster(target=ARN),
    "secret of a deployment by ARN": deployment(ARN),
    "secret that is a variable too": cluster(target=f'{SECRET}\nenv = {{ A = "1" }}'),
    "secret of a deployment that is a variable too": deployment(f'{SECRET}\nenv = {{ A = "1" }}'),
    "secret of a deployment that is a variable of the target": deployment(
        SECRET, cluster(target='env = { A = "1" }')
    ),
    "variable of a deployment that is a secret of the target": deployment(
        'env = { A = "1" }', cluster(target=SECRET)
    ),
    "namespace as a job variable": cluster(target='job-variables = { namespace = "flows" }'),
    "pull policy of a deployment as a job variable": deployment(
        'job-variables = { image_pull_policy = "Always" }'
    ),
    "secret of a cluster on ECS": {
        "registry.toml": CLUSTER.replace('"kubernetes"', '"ecs"')
        + f'{SECRET}\n[targets.local.ecs]\nregion = "eu-west-1"\n'
    },
}
