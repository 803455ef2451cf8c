"""A ship to ECR in which one request fails, for every distinct request of the API and of a push.

Each is survived or clearly refused. What was done is judged from the registry and from the Prefect server, never from
what the ship says; after a refusal nothing is deployed, and the next ship converges.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

import pytest

from flowyard.errors import AwsError, BuildFailed, FlowyardError, RegistryError
from flowyard.outcome import Outcome
from tests.aws.ecr_site import EcrSite, ecr_site
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Fault
from tests.aws.registry_front import RegistryFront
from tests.aws.registry_requests import Kind

pytest_plugins = ("tests.aws.fixtures",)

DROPPED, LOST = Cut.DROPPED, Cut.LOST
Agent = Literal["docker", "flowyard"]
# What the engine asks when it pushes and when it reads the digest back, and what we ask before and after. The nth
# request of its kind is meant. The engine itself waits five seconds and more over a blob that failed with 5xx or
# broke off, so those are few.
PUSH: dict[tuple[Agent, Kind, int], tuple[int | Cut, ...]] = {
    ("docker", "ping", 1): (429, 503, LOST),
    ("docker", "upload.start", 1): (429,),
    ("docker", "upload.mount", 1): (429, DROPPED),
    ("docker", "upload.patch", 1): (429, 503),
    ("docker", "upload.put", 1): (429, LOST),
    ("docker", "blob.head", 1): (429, 500),
    ("docker", "manifest.put", 1): (429, 500, DROPPED, LOST),
    ("docker", "ping", 2): (429, DROPPED),
    ("docker", "manifest.head", 1): (429, DROPPED),
    ("docker", "manifest.get", 1): (503, LOST),
    ("docker", "blob.get", 1): (429, 503),
    ("flowyard", "manifest.get", 1): (429, 500, DROPPED, LOST),
    ("flowyard", "manifest.get", 3): (429, 503, DROPPED, LOST),
    ("flowyard", "blob.get", 1): (503, DROPPED),
}
API: dict[tuple[str, Fault], type[FlowyardError] | None] = {
    **{
        (action, fault): None
        for action in (
            "GetAuthorizationToken",
            "DescribeRepositories",
            "CreateRepository",
            "PutLifecyclePolicy",
        )
        for fault in (THROTTLED, BROKEN, DROPPED, LOST)
    },
    ("GetAuthorizationToken", DENIED): AwsError,
    ("DescribeRepositories", DENIED): None,
    ("CreateRepository", DENIED): AwsError,
    ("PutLifecyclePolicy", DENIED): AwsError,
}


def name(value: object) -> str:
    """A case's part as pytest shows it."""
    if isinstance(value, tuple):
        return "-".join(str(one) for one in value)
    return str(getattr(value, "code", getattr(value, "value", value)))


@pytest.fixture
def site(front: RegistryFront, tmp_path: Path) -> EcrSite:
    """One flow whose image nobody has pushed yet."""
    return ecr_site(
        tmp_path / "project", "etl", settings=", expire-untagged-days = 14", edition=uuid.uuid4().hex
    )


def check_shipped(site: EcrSite, front: RegistryFront, outcome: Outcome) -> None:
    """What the registry holds is what is deployed: one image, under the key, as the ship says."""
    assert outcome.error is None
    desired = outcome.plan.desired
    assert desired is not None
    repository = front.repository("flows/etl")
    assert repository is not None
    held = {tag: one.image_digest for one in repository.images for tag in one.image_tags}
    assert set(held) == {desired.key}
    image = f"{front.host}/flows/etl@{held[desired.key]}"
    assert (site.labels(), str(outcome.image)) == ({"etl": image}, image)
    assert site.heads()["etl"] is not None


def attempt(site: EcrSite) -> FlowyardError | None:
    """The error of a ship: of its flow, or of all of it, when there is no plan yet."""
    try:
        return site.ship()["etl"].error
    except FlowyardError as error:
        return error


def check_refused(site: EcrSite, error: FlowyardError | None, kind: type[FlowyardError]) -> None:
    """One error of ours that says what to do, and nothing deployed."""
    assert isinstance(error, kind)
    assert error.message
    assert error.hint
    assert (site.labels(), site.server.deployments) == ({}, {})


@pytest.mark.parametrize(
    ("request_", "fault"),
    [(request, fault) for request, faults in PUSH.items() for fault in faults],
    ids=name,
)
def test_one_request_of_a_push(
    site: EcrSite, front: RegistryFront, tmp_path: Path, request_: tuple[Agent, Kind, int], fault: int | Cut
) -> None:
    agent, kind, nth = request_
    site.engine = agent == "docker"
    if kind == "upload.mount":  # the engine mounts what it has pushed to another repository
        other = ecr_site(tmp_path / "other", "other", edition=uuid.uuid4().hex)
        assert other.ship()["other"].error is None
    planned = front.fail(kind, fault, nth=nth, agent=agent)
    outcome = site.ship()["etl"]
    assert planned.happened == 1
    check_shipped(site, front, outcome)


@pytest.mark.parametrize(("action", "fault"), list(API), ids=name)
def test_one_call_of_the_api(site: EcrSite, front: RegistryFront, action: str, fault: Fault) -> None:
    site.engine = False
    planned = front.api.fail("ecr", action, fault, times=99 if fault is DENIED else 1)
    kind = API[action, fault]
    if kind is None:
        check_shipped(site, front, site.ship()["etl"])
    else:
        check_refused(site, attempt(site), kind)
    assert planned.happened >= 1
    if kind is not None:
        planned.times = 0
        check_shipped(site, front, site.ship()["etl"])


@pytest.mark.parametrize(
    ("kind", "fault", "error"), [("manifest.put", 403, BuildFailed), ("blob.get", 403, RegistryError)]
)
def test_what_does_not_pass_is_refused_and_the_next_ship_converges(
    site: EcrSite, front: RegistryFront, kind: Kind, fault: int, error: type[FlowyardError]
) -> None:
    agent = "flowyard" if error is RegistryError else "docker"
    planned = front.fail(kind, fault, times=99, agent=agent)
    check_refused(site, attempt(site), error)
    planned.times = 0
    check_shipped(site, front, site.ship()["etl"])


def test_there_are_enough() -> None:
    """A table that lost its rows would pass as well."""
    assert sum(len(faults) for faults in PUSH.values()) + len(API) >= 30
