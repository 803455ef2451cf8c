"""Mistakes in container registries of type `ecr`."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.table import Files

ECR = """[project]
name = "acme"

[targets.local]
registry = {{ type = "ecr", region = "eu-west-1"{settings} }}
work-pool = {{ name = "pool", type = "docker" }}
prefect = {{ api = "http://prefect.example/api" }}
"""
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def ecr(settings: str, files: Mapping[str, str] | None = None) -> dict[str, str]:
    """An ECR registry with these settings."""
    return {"registry.toml": ECR.format(settings=f", {settings}" if settings else ""), **(files or {})}


MISTAKES: Mapping[str, Files] = {
    "ECR without a region": {"registry.toml": ECR.replace(', region = "eu-west-1"', "").format(settings="")},
    "ECR with the name of a zone": {
        "registry.toml": ECR.replace("eu-west-1", "eu-west-1a").format(settings="")
    },
    "ECR repository with its host": ecr(f'repository = "{HOST}/flows/{{flow}}"'),
    "ECR repository as a URL": ecr(f'repository = "https://{HOST}/{{flow}}"'),
    "ECR repository that is a host alone": ecr(f'repository = "{HOST}"'),
    "ECR repository with the host of the account that is named": ecr(
        f'repository = "{HOST}/{{flow}}", account = "123456789012"'
    ),
    "ECR repository with a host of China": ecr(
        'repository = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/{flow}"'
    ),
    "ECR repository as a URL of somewhere else": ecr('repository = "https://ghcr.io/{flow}"'),
    "ECR repository with upper case": ecr('repository = "Flows/{flow}"'),
    "ECR repository with a tag": ecr('repository = "flows/{flow}:latest"'),
    "ECR account of wrong form": ecr('account = "1234-5678-9012"'),
    "ECR account that is a number": ecr("account = 123456789012"),
    "ECR that expires images while tags move": ecr("immutable = false, expire-untagged-days = 14"),
    "ECR that expires images after no day": ecr("expire-untagged-days = 0"),
    "ECR encryption key that is empty": ecr('encryption-key = ""'),
    "ECR tags that are a list": ecr('tags = ["team"]'),
    "ECR with a host": ecr(f'url = "{HOST}"'),
}
