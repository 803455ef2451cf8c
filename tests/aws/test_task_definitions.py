"""The contract of TaskDefinitions and Revisions, on the fake and on the real adapter before AWS's APIs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import pytest

from flowyard.adapters.aws.ecs import TRIES, EcsTaskDefinitions
from flowyard.adapters.aws.session import AwsSession
from flowyard.aws.arns import Owner
from flowyard.aws.task_definition import TaskDefinition, define
from flowyard.errors import AwsError, AwsRefused
from flowyard.images import Digest, PublishedImage, Repository
from flowyard.ports import Revisions, TaskDefinitions
from flowyard.target import CapacityProvider, EcsSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec, Resources
from flowyard.work_pools import task_definition
from tests.aws.api import REGION, AwsApi
from tests.aws.ecs_definitions import keep_manners
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Fault, Refusal
from tests.fakes_aws import FakeTaskDefinitions

pytest_plugins = ("tests.aws.fixtures",)

ROLE = "arn:aws:iam::123456789012:role/flows"
REPOSITORY = Repository("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "flows/etl")
OWNER = Owner("acme", "production", "etl", "daily", "pool")
ECS = EcsSettings(
    REGION,
    cluster="flows",
    execution_role=ROLE,
    task_role=ROLE,
    capacity_providers=(CapacityProvider("FARGATE_SPOT"),),
    vpc="vpc-1",
    subnets=("subnet-1",),
    log_group="/flows",
    ephemeral_storage=30,
    exec=True,
    tags={"team": "data"},
)
TARGET = Target(
    *("production", "ecr.eu-west-1", "flows/{flow}", "pool", "ecs", PrefectChoice("http://x/api")),
    env={"B": "", "A": "1", "PREFECT_LOGGING_LEVEL": "DEBUG"},
    secrets={"PASSWORD": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:db-AbCdEf:k::"},
    ecs=ECS,
)
DAILY = DeploymentSpec(
    "daily", "flow.py", secrets={"A_KEY": f"arn:aws:ssm:{REGION}:123456789012:parameter/k"}
)
CONCURRENT = Refusal(
    "ClientException",
    "Too many concurrent attempts to create a new revision of the specified family.",
)


@dataclass
class Pauses:
    """A Timer that keeps how long it was to sleep."""

    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """As Timer.monotonic."""
        return sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        """As Timer.sleep."""
        self.slept.append(seconds)


class Definitions(TaskDefinitions, Revisions, Protocol):
    """Both ports, which one adapter implements."""


def definition(
    target: Target = TARGET, deployment: DeploymentSpec = DAILY, image: str = "a", owner: Owner = OWNER
) -> TaskDefinition:
    """The task definition of a deployment."""
    settings = task_definition(target, deployment)
    assert settings is not None
    published = PublishedImage(REPOSITORY, Digest(f"sha256:{image * 64}"))
    return define(settings, owner, published, "key", target.ecs.tags if target.ecs else {})


@pytest.fixture(params=["fake", "real"])
def definitions(request: pytest.FixtureRequest) -> Iterator[Definitions]:
    if request.param == "fake":
        yield FakeTaskDefinitions()
        return
    api: AwsApi = request.getfixturevalue("in_aws")
    keep_manners(api)
    yield EcsTaskDefinitions(AwsSession(REGION), Pauses())


def test_an_equal_definition_is_not_registered_again(definitions: Definitions) -> None:
    first = definitions.ready(definition())
    assert first.endswith(f":task-definition/{OWNER.family}:1")
    assert [definitions.ready(definition()) for _ in range(3)] == [first] * 3
    assert definitions.active(OWNER.family) == (first,)


ON_EC2 = replace(ECS, launch_type="EC2", capacity_providers=(), ephemeral_storage=None)
OTHER: dict[str, TaskDefinition] = {
    "image": definition(image="b"),
    "env": definition(replace(TARGET, env={})),
    "value": definition(replace(TARGET, env={**TARGET.env, "B": "2"})),
    "secret": definition(deployment=replace(DAILY, secrets={})),
    "size": definition(deployment=replace(DAILY, resources=Resources(2, 4 << 30))),
    "role": definition(replace(TARGET, ecs=replace(ECS, task_role=f"{ROLE}2"))),
    "log group": definition(replace(TARGET, ecs=replace(ECS, log_group="/other"))),
    "no log group": definition(replace(TARGET, ecs=replace(ECS, log_group=None))),
    "disk": definition(replace(TARGET, ecs=replace(ECS, ephemeral_storage=None))),
    "processor": definition(replace(TARGET, ecs=replace(ECS, architecture="arm64"))),
    "EC2": definition(replace(TARGET, ecs=ON_EC2)),
    "tag": definition(replace(TARGET, ecs=replace(ECS, tags={"team": "other"}))),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_definition_is_another_revision(definitions: Definitions, name: str) -> None:
    arns = [definitions.ready(one) for one in (definition(), OTHER[name], definition(), OTHER[name])]
    assert [arn.rpartition(":")[2] for arn in arns] == ["1", "2", "1", "2"]
    assert definitions.active(OWNER.family) == (arns[1], arns[0])


def test_families_do_not_mix(definitions: Definitions) -> None:
    longer = replace(OWNER, deployment="daily-2")
    arns = [definitions.ready(definition(owner=owner)) for owner in (OWNER, longer)]
    assert [definitions.active(one.family) for one in (OWNER, longer)] == [(arns[0],), (arns[1],)]
    assert definitions.active("unknown") == ()


def test_a_retired_revision_is_not_taken_again(definitions: Definitions) -> None:
    first, second = definitions.ready(definition()), definitions.ready(definition(image="b"))
    definitions.retire(first)
    assert definitions.active(OWNER.family) == (second,)
    third = definitions.ready(definition())
    assert third.endswith(":3")
    assert definitions.active(OWNER.family) == (third, second)


def test_many_revisions_are_all_seen_the_newest_first(definitions: Definitions) -> None:
    arns = [definitions.ready(definition(deployment=replace(DAILY, env={"N": str(n)}))) for n in range(11)]
    assert definitions.active(OWNER.family) == tuple(reversed(arns))


def test_the_images_of_a_revision(definitions: Definitions) -> None:
    arn = definitions.ready(definition())
    assert definitions.images(arn) == (f"{REPOSITORY}@sha256:{'a' * 64}",)


@dataclass(frozen=True)
class Real:
    """The real adapter, and AWS's APIs behind it."""

    api: AwsApi
    adapter: EcsTaskDefinitions
    pauses: Pauses


@pytest.fixture
def real(in_aws: AwsApi) -> Real:
    keep_manners(in_aws)
    pauses = Pauses()
    return Real(in_aws, EcsTaskDefinitions(AwsSession(REGION), pauses), pauses)


def revisions(api: AwsApi) -> list[str]:
    found = api.client("ecs").list_task_definitions(familyPrefix=OWNER.family)["taskDefinitionArns"]
    return [arn.rpartition(":")[2] for arn in found]


def test_what_is_asked_to_register_and_to_find_again(real: Real) -> None:
    real.adapter.ready(definition())
    assert real.api.actions() == ["ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition"]
    real.api.calls.clear()
    real.adapter.ready(definition())
    assert real.api.actions() == ["ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition"]


ACTIONS = ("ListTaskDefinitions", "DescribeTaskDefinition", "RegisterTaskDefinition")
FAULTS = [(action, fault) for action in ACTIONS for fault in (THROTTLED, BROKEN, Cut.DROPPED, Cut.LOST)]


@pytest.mark.parametrize(("action", "fault"), [*FAULTS, (ACTIONS[-1], CONCURRENT)])
def test_a_single_fault_of_any_request_is_survived(real: Real, action: str, fault: Fault) -> None:
    real.adapter.ready(definition(image="b"))
    planned = real.api.fail("ecs", action, fault)
    arn = real.adapter.ready(definition())
    assert planned.happened == 1
    described = real.api.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    assert described["status"] == "ACTIVE"
    assert real.adapter.images(arn) == (f"{REPOSITORY}@sha256:{'a' * 64}",)
    # A lost answer may leave a revision twice; nothing names the first, so it is retired like any other.
    assert revisions(real.api) in (["1", "2"], ["1", "2", "3"])
    assert real.adapter.ready(definition()) == arn


def test_one_revision_after_another_maker_was_in_the_way(real: Real) -> None:
    planned = real.api.fail("ecs", "RegisterTaskDefinition", CONCURRENT, times=TRIES - 1)
    real.adapter.ready(definition())
    assert (planned.happened, revisions(real.api), len(real.pauses.slept)) == (TRIES - 1, ["1"], TRIES - 1)
    assert all(0.25 * 2**n <= pause <= 0.75 * 2**n for n, pause in enumerate(real.pauses.slept))


def test_makers_in_the_way_all_the_time(real: Real) -> None:
    real.api.fail("ecs", "RegisterTaskDefinition", CONCURRENT, times=99)
    with pytest.raises(AwsRefused, match="Too many concurrent attempts"):
        real.adapter.ready(definition())
    assert real.api.actions().count("ecs:RegisterTaskDefinition") == TRIES


def test_whoever_is_refused_reads_what_and_by_whom(real: Real) -> None:
    real.api.fail("ecs", "RegisterTaskDefinition", DENIED, times=99)
    with pytest.raises(AwsRefused) as caught:
        real.adapter.ready(definition())
    for part in ("ecs:RegisterTaskDefinition", OWNER.family, "assumed-role/tests/session"):
        assert part in caught.value.message
    assert "ecs:RegisterTaskDefinition" in caught.value.hint
    assert real.api.actions().count("ecs:RegisterTaskDefinition") == 1


def test_what_is_wrong_with_a_definition_is_said_at_once(real: Real) -> None:
    wrong = replace(definition(), content={**definition().content, "cpu": "300"})
    with pytest.raises(AwsError, match="No Fargate configuration exists"):
        real.adapter.ready(wrong)
    assert real.pauses.slept == []


def test_of_many_makers_of_one_family_each_gets_its_own_content(real: Real) -> None:
    """They cannot see each other, so some may register the same."""
    wanted = [definition(image=digit) for digit in "abcd"] * 4
    with ThreadPoolExecutor(16) as pool:
        arns = list(pool.map(real.adapter.ready, wanted))
    for arn, one in zip(arns, wanted, strict=True):
        assert real.adapter.images(arn) == (one.content["containerDefinitions"][0]["image"],)
    assert len({real.adapter.ready(one) for one in wanted}) == 4
