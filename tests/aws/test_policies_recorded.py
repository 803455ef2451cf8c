"""The policies against every call that was recorded: nothing is missing, and nothing is there that nobody uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import docker
import pytest

from tests.aws.api import AwsApi
from tests.aws.docker_tasks import Crossed, cross, write_both
from tests.aws.iam import allowed_by
from tests.aws.recorded import CLUSTER, POOL, Recorded, recorded_project

pytest_plugins = ("tests.aws.fixtures",)

# What is not recorded, by role, and why it is in the policies all the same.
_LAYERS = (
    "the layers were built on this engine, so it asks for none: "
    "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull-iam.html"
)
UNRECORDED: Mapping[str, str] = MappingProxyType(
    {
        "execution ecr:BatchCheckLayerAvailability": _LAYERS,
        "execution ecr:GetDownloadUrlForLayer": _LAYERS,
        "task s3:AbortMultipartUpload": "the runtime part, when a large result fails between its parts",
        "task s3:ListBucket": "no call, but what makes S3 say that an object is not there: Docker tasks ask for values "
        "before they store them",
        "worker ecs:StopTask": "kill_infrastructure of prefect-aws: a run that is cancelled while it is submitted, or "
        "whose cancelling took too long",
        "worker sqs:ChangeMessageVisibility": "the observer of prefect-aws, when an event takes four minutes",
    }
)
# The engine asks for a layer after all when its build cache has let go of it.
SOMETIMES = frozenset(action for action, why in UNRECORDED.items() if why == _LAYERS)


@pytest.fixture(scope="module")
def crossings() -> list[Crossed]:
    """What came of the run that called another flow."""
    return []


@pytest.fixture(scope="module")
def recorded(
    aws_api: AwsApi,
    prefect_api: str,
    tmp_path_factory: pytest.TempPathFactory,
    engine: docker.DockerClient,
    crossings: list[Crossed],
) -> Iterator[Recorded]:
    """Everything that is done with a target was done once."""
    tmp = tmp_path_factory.mktemp("recorded")
    with recorded_project(aws_api, prefect_api, tmp, engine) as made:
        made.api.client("ecr").create_repository(
            repositoryName="recorded/lost", imageTagMutability="IMMUTABLE"
        )
        made.flow("greet", 1)
        made.flow("lost", 1)
        write_both(made, 1)
        made.program("ci")
        with made.worker(tmp / "worker"):
            finished = made.program("run", "run", "greet")
            assert json.loads(finished.stdout) == [1, 4, 5], finished.stderr
            lose_an_image(made)
            crossings.append(cross(made))
        leave_an_old_definition(made)
        made.flow("greet", 2)
        made.program("ci")
        yield made
        assert made.executor.errors == []


def lose_an_image(made: Recorded) -> None:
    """A run whose image is gone: worker and `run` hear of it, and look for its output."""
    ecr = made.api.client("ecr")
    held = ecr.list_images(repositoryName="recorded/lost")["imageIds"]
    ecr.batch_delete_image(repositoryName="recorded/lost", imageIds=held)
    failed = made.program("run", "run", "lost", code=1)
    assert "CannotPullContainerError" in failed.stderr


def leave_an_old_definition(made: Recorded) -> None:
    """A revision that nothing names."""
    ecs = made.api.client("ecs")
    (arn, *_) = [arn for arn in ecs.list_task_definitions()["taskDefinitionArns"] if "-greet-" in arn]
    held = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    of_the_task = (
        "family",
        "containerDefinitions",
        "cpu",
        "memory",
        "networkMode",
        "requiresCompatibilities",
    )
    names = (*of_the_task, "executionRoleArn", "taskRoleArn")
    ecs.register_task_definition(**{name: held[name] for name in names})


@pytest.mark.usefixtures("recorded")
def test_a_docker_task_crosses_from_one_ecs_task_to_another(crossings: list[Crossed]) -> None:
    (crossed,) = crossings
    assert crossed.returned == {"edition": 1, "same": True, "raised": ["there is nothing to see", True]}
    caller, *called = [str(task.definition["taskDefinitionArn"]) for task in crossed.tasks]
    assert (caller.count("-calling-"), called) == (1, [crossed.pinned] * 2)


def test_everybody_is_one_of_the_roles(recorded: Recorded) -> None:
    assert {caller for caller, _ in recorded.asked()} == set(recorded.roles)
    assert (recorded.site.cluster, recorded.site.target.work_pool) == (CLUSTER, POOL)


def test_nothing_is_missing(recorded: Recorded) -> None:
    denied = {
        f"{caller}: {question}"
        for caller, question in recorded.asked()
        if allowed_by(recorded.roles[caller].documents, question) is None
    }
    assert denied == set()


def test_nothing_is_there_that_nobody_uses(recorded: Recorded) -> None:
    used = {f"{recorded.roles[caller].key} {question.action}" for caller, question in recorded.asked()}
    there = {
        f"{role.key} {action}"
        for role in recorded.roles.values()
        for statement in role.statements
        for action in statement.actions
    }
    assert (there - used) | SOMETIMES == set(UNRECORDED)
    assert used <= there
