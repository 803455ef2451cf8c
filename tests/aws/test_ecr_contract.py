"""The contract of ContainerRegistry and Repositories, held by ECR: the stand-in's, and a real account's if given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.accounts import PLACES, check_account, held_by_ecr
from tests.integration.registry_contract import RegistryContract
from tests.integration.registry_held import Held

pytest_plugins = ("tests.aws.fixtures",)


@pytest.fixture(params=PLACES)
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    if request.param == "stand-in":
        request.getfixturevalue("front")
    else:
        check_account()
    with held_by_ecr() as ecr:
        yield ecr


class TestContract(RegistryContract):
    """What the pipeline relies on."""
