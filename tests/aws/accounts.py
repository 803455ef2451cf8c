"""Where the tests of AWS run: the stand-in, and a real account where one is given.

FLOWYARD_AWS_TEST_ACCOUNT names the account that the environment's credentials have to belong to, AWS_REGION the
region. Repositories are made there under `flowyard-tests/`, and deleted. Without it only the stand-in is asked:
nothing is skipped then, those tests are not collected.
"""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3

from flowyard.adapters.aws.ecr import EcrRegistry
from flowyard.adapters.aws.session import AwsSession
from flowyard.images import Digest, ImageReference, Repository
from flowyard.target import EcrSettings
from tests.integration.images import Pusher, image
from tests.integration.registry_held import QUICK, Held

REAL_ACCOUNT = os.environ.get("FLOWYARD_AWS_TEST_ACCOUNT", "")
PLACES = ("stand-in", *(("account",) if REAL_ACCOUNT else ()))


def region() -> str:
    """The region that the environment names."""
    return os.environ["AWS_REGION"]


def check_account() -> None:
    """Fail where the credentials belong to another account than the one that may be used."""
    found = boto3.client("sts", region_name=region()).get_caller_identity()["Account"]
    assert found == REAL_ACCOUNT, (
        f"FLOWYARD_AWS_TEST_ACCOUNT is {REAL_ACCOUNT}, the credentials are of {found}"
    )


def registry(**settings: Any) -> EcrRegistry:
    """The caller's registry in the environment's region."""
    return EcrRegistry(EcrSettings(region(), **settings), AwsSession(region()), QUICK)


def pushed(
    ecr: EcrRegistry,
    reference: ImageReference,
    layers: Sequence[Mapping[str, bytes]],
    env: Mapping[str, str] | None = None,
) -> Digest:
    """Make the repository ready and push an image as a program would that has logged in."""
    real = ecr.ready(reference.repository)
    login = ecr.credentials(real.host)
    assert login is not None
    pair = base64.b64encode(f"{login.username}:{login.secret.reveal()}".encode()).decode()
    return Pusher(f"Basic {pair}").push(real, reference.tag, image(layers, env))


@contextmanager
def held_by_ecr(**settings: Any) -> Iterator[Held]:
    """ECR in the contract's terms. Its repositories are below a prefix of their own, and gone afterwards."""
    ecr = registry(immutable=False, **settings)
    prefix = f"flowyard-tests/{uuid.uuid4().hex[:12]}/"

    def put(
        reference: ImageReference, layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str]
    ) -> Digest:
        return pushed(ecr, reference, layers, env)

    def real(repository: Repository) -> Repository:
        return Repository(ecr.home(), repository.path)

    try:
        yield Held(ecr, put, EcrSettings(region()).host, real, prefix)
    finally:
        ecr.close()
        client = boto3.client("ecr", region_name=region())
        for page in client.get_paginator("describe_repositories").paginate():
            for one in page["repositories"]:
                if one["repositoryName"].startswith(prefix):
                    client.delete_repository(repositoryName=one["repositoryName"], force=True)
