"""Mistakes in where images are built: builders and caches."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.ecr import ecr
from tests.mistakes.table import Files
from tests.support import REGISTRY

HOST = "registry.example:5000"


def build(*lines: str, base: str = REGISTRY) -> dict[str, str]:
    """A target with these lines in its table `build`."""
    text = "\n".join(("[targets.local.build]", *lines))
    return {"registry.toml": f"{base}{text}\n"}


def cache(settings: str, base: str = REGISTRY) -> dict[str, str]:
    """A target with a cache of these settings."""
    return build(f"cache = {{ {settings} }}", base=base)


def in_repository(name: str, base: str = REGISTRY) -> dict[str, str]:
    """A target with a cache in a repository of this name."""
    return cache(f'type = "registry", repository = "{name}"', base)


def local(*lines: str) -> dict[str, str]:
    """registry.local.toml with these lines in its table `build`."""
    return {"registry.local.toml": "\n".join(("[build]", *lines)) + "\n"}


MISTAKES: Mapping[str, Files] = {
    "builder of wrong form": build('builder = "the big one"'),
    "builder that is an option": build('builder = "--help"'),
    "builder that is a list": build('builder = ["farm"]'),
    "key of build that is mistyped": build('bulider = "farm"'),
    "cache that is a text": build('cache = "gha"'),
    "cache without type": cache('repository = "flows/cache"'),
    "cache of unknown type": cache('type = "s3", bucket = "cache"'),
    "cache in a registry without repository": cache('type = "registry"'),
    "cache of GitHub with a repository": cache('type = "gha", repository = "flows/cache"'),
    "cache whose repository is each flow's": in_repository("cache/{flow}"),
    "cache whose repository has a tag": in_repository("flows/cache:latest"),
    "cache whose repository has upper case": in_repository("flows/Cache"),
    "cache whose repository is empty": in_repository(""),
    "cache whose repository has the host": in_repository(
        "ghcr.io/cache", REGISTRY.replace(HOST, "ghcr.io/acme")
    ),
    "cache whose repository has a host of ECR": in_repository(
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/cache", ecr("")["registry.toml"]
    ),
    "cache whose repository is a flow's own": in_repository("hello"),
    "cache whose repository is a flow's own below the url": in_repository(
        "hello", REGISTRY.replace(HOST, "ghcr.io/acme")
    ),
    "cache whose repository is that of all flows": in_repository(
        "flows", ecr('repository = "flows"')["registry.toml"]
    ),
    "cache whose repository is too long": in_repository("a" * 256),
    "builder of this machine of wrong form": local('builder = ""'),
    "cache of this machine that is a table": local('cache = { type = "gha" }'),
    "build of this machine with a key of targets": local('repository = "flows/cache"'),
}
