"""AWS's APIs for tests: one server for the session, as new for every test that asks for `aws`.

A pytest plugin of the modules that name it in `pytest_plugins`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.aws.api import AwsApi
from tests.aws.calls import OTHER
from tests.aws.registry_front import RegistryFront, registry_front
from tests.integration.yard import remove_images


@pytest.fixture(scope="session")
def aws_api() -> Iterator[AwsApi]:
    """The server. What a module sets up in it lasts until a test resets it."""
    with AwsApi() as api:
        yield api


@pytest.fixture
def aws(aws_api: AwsApi) -> AwsApi:
    """An AWS account as new. For programs: `aws.environment()`."""
    aws_api.reset()
    return aws_api


@pytest.fixture
def in_aws(aws: AwsApi, monkeypatch: pytest.MonkeyPatch) -> AwsApi:
    """As `aws`, and this process finds it too."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.fixture(scope="session")
def session_front(aws_api: AwsApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryFront]:
    """The registry of the account, for the session; the engine's images under its name go with it."""
    with registry_front(aws_api, tmp_path_factory.mktemp("ecr")) as front:
        yield front
        remove_images(front.host)


@pytest.fixture
def front(session_front: RegistryFront, in_aws: AwsApi) -> RegistryFront:
    """The account's registry, empty and without faults, found by this process."""
    session_front.reset()
    return session_front


@pytest.fixture
def other(front: RegistryFront, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryFront]:
    """The registry of an account that is not the caller's."""
    with registry_front(front.api, tmp_path_factory.mktemp("other"), OTHER) as made:
        yield made
