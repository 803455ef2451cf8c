"""ECS that runs tasks as containers of this machine's engine.

A pytest plugin of the modules that name it in `pytest_plugins`, beside tests.aws.fixtures.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import docker
import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.images import ImageReference, Repository
from tests.aws.api import AwsApi
from tests.aws.ecs_account import EcsAccount
from tests.aws.ecs_executor import EcsExecutor
from tests.integration.registry_program import running_registry
from tests.integration.yard import remove_images


@pytest.fixture
def ecs(aws: AwsApi, engine: docker.DockerClient) -> Iterator[EcsExecutor]:
    """ECS, in a new account. Its tasks and their containers end with the test."""
    executor = EcsExecutor(aws, engine)
    executor.install()
    yield executor
    executor.settle()
    assert executor.errors == []


@pytest.fixture
def account(ecs: EcsExecutor) -> EcsAccount:
    """The account, with all that a task needs."""
    made = EcsAccount(ecs.api)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def python_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small image with Python, by digest, in a container registry."""
    with running_registry(tmp_path_factory.mktemp("registry")) as host:
        reference = ImageReference(Repository(host, "tests/python"), "1")
        with closing(docker.from_env()) as engine:
            engine.images.get(os.environ["FLOWYARD_TEST_BASE"]).tag(str(reference.repository), "1")
        subprocess.run(["docker", "push", "--quiet", str(reference)], check=True, capture_output=True)
        yield f"{reference.repository}@{OciRegistry().digest(reference)}"
        remove_images(host)
