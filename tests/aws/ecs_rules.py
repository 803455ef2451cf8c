"""What ECS refuses before anything runs, as its API words it; moto lets all of this through.

Written from AWS's documentation and messages users report, not from Flowyard's own checks: those are to be held
against this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from flowyard.values import Json

# RegisterTaskDefinition: "Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens".
FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html: "Task definition size: 64 KB",
# "Container definitions per task definition: 10".
DEFINITION_BYTES = 64 * 1024
CONTAINERS = 10
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, `overrides`: "A total of 8192
# characters are allowed for overrides. This limit includes the JSON formatting characters of the override
# structure."
OVERRIDES_CHARACTERS = 8192
# API_RunTask.html, `count`: "up to 10 tasks for each call"; `tags`: "Array Members: Minimum number of 0 items.
# Maximum number of 50 items."
TASKS_PER_CALL = 10
TAGS = 50
_GIB = 1024
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html: memory in MiB by CPU units.
FARGATE: Mapping[int, Sequence[int]] = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: range(1 * _GIB, 4 * _GIB + 1, _GIB),
    1024: range(2 * _GIB, 8 * _GIB + 1, _GIB),
    2048: range(4 * _GIB, 16 * _GIB + 1, _GIB),
    4096: range(8 * _GIB, 30 * _GIB + 1, _GIB),
    8192: range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB),
    16384: range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB),
    32768: (60 * _GIB, 120 * _GIB, 244 * _GIB),
}
MANAGED = frozenset({"FARGATE", "FARGATE_SPOT"})  # capacity providers that need no instance


class Refused(Exception):
    """An answer of the API that is an error: its code (`ClientException`...) and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def client_error(message: str) -> Refused:
    return Refused("ClientException", message)


def invalid(message: str) -> Refused:
    return Refused("InvalidParameterException", message)


def check_definition(definition: Mapping[str, Json], ecr_hosts: frozenset[str]) -> None:
    """Refuse a task definition that RegisterTaskDefinition refuses."""
    if not FAMILY.fullmatch(str(definition.get("family") or "")):
        raise client_error("Family contains invalid characters.")
    length = len(json.dumps(definition, separators=(",", ":")).encode())
    if length > DEFINITION_BYTES:
        raise client_error(f"Actual length: '{length}'. Max allowed length is '{DEFINITION_BYTES}' bytes.")
    containers = definition.get("containerDefinitions") or []
    if len(containers) > CONTAINERS:
        raise client_error("Too many containers.")
    for container in containers:
        _check_secrets(container, definition)
    if "FARGATE" in (definition.get("requiresCompatibilities") or ()):
        _check_fargate(definition, ecr_hosts)


def _check_secrets(container: Mapping[str, Json], definition: Mapping[str, Json]) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html: the execution
    # role reads them.
    secrets = container.get("secrets") or []
    if secrets and not definition.get("executionRoleArn"):
        raise client_error(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
        )
    plain = {one["name"] for one in container.get("environment") or []}
    names = [one["name"] for one in secrets]
    for name in names:
        if name in plain or names.count(name) > 1:
            raise client_error(
                "The secret name must be unique and not shared with any new or existing environment variables set "
                f"on the container, such as '{name}'."
            )


def _check_fargate(definition: Mapping[str, Json], ecr_hosts: frozenset[str]) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
    for name in ("cpu", "memory"):
        if not definition.get(name):
            raise client_error(f"Fargate requires that '{name}' be defined at the task level.")
    check_size(definition["cpu"], definition["memory"])
    if definition.get("networkMode") != "awsvpc":
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    disk = (definition.get("ephemeralStorage") or {}).get("sizeInGiB", 21)
    if not 21 <= disk <= 200:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html
        raise client_error("Ephemeral storage size must be between 21 and 200 GiB.")
    if not definition.get("executionRoleArn"):
        for need in _needs_of_execution_role(definition, ecr_hosts):
            raise client_error(
                f"Fargate requires task definition to have execution role ARN to support {need}."
            )


def _needs_of_execution_role(definition: Mapping[str, Json], ecr_hosts: frozenset[str]) -> Iterator[str]:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    for container in definition.get("containerDefinitions") or []:
        if str(container["image"]).partition("/")[0] in ecr_hosts:
            yield "ECR images"
        if (container.get("logConfiguration") or {}).get("logDriver") == "awslogs":
            yield "log driver awslogs"


def check_size(cpu: Json, memory: Json) -> None:
    """Refuse a pair of CPU units and MiB that Fargate does not have."""
    try:
        known = int(memory) in FARGATE[int(cpu)]
    except (KeyError, ValueError):
        known = False
    if not known:
        raise client_error(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )


def check_run(request: Mapping[str, Json], definition: Mapping[str, Json]) -> None:
    """Refuse a RunTask of this definition, as far as it can be told from the two."""
    if not 1 <= request.get("count", 1) <= TASKS_PER_CALL:
        raise invalid(f"count must be between 1 and {TASKS_PER_CALL}.")
    if len(request.get("tags") or ()) > TAGS:
        raise invalid(f"Too many tags specified. Maximum allowed: {TAGS}")
    if definition["status"] != "ACTIVE":
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html: "You can't
        # use an INACTIVE task definition to run new tasks".
        raise client_error("TaskDefinition is inactive")
    launch_type, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
    if launch_type and strategy:
        # API_RunTask.html: "If a capacityProviderStrategy is specified, the launchType parameter must be omitted."
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    compatible = definition.get("compatibilities") or ["EC2"]
    if is_fargate(request) and "FARGATE" not in compatible:
        raise invalid("Task definition does not support launch_type FARGATE.")
    _check_overrides(request, definition)


def is_fargate(request: Mapping[str, Json]) -> bool:
    """Whether the tasks of a RunTask run on Fargate."""
    strategy = request.get("capacityProviderStrategy")
    if strategy:
        return strategy[0]["capacityProvider"] in MANAGED
    return request.get("launchType") == "FARGATE"


def _check_overrides(request: Mapping[str, Json], definition: Mapping[str, Json]) -> None:
    overrides = request.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > OVERRIDES_CHARACTERS:
        raise invalid(f"Container Overrides length must be at most {OVERRIDES_CHARACTERS}")
    names = {container["name"] for container in definition["containerDefinitions"]}
    for override in overrides.get("containerOverrides") or ():
        if override.get("name") not in names:
            raise invalid(
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            )
    if is_fargate(request) and (overrides.get("cpu") or overrides.get("memory")):
        check_size(overrides.get("cpu") or definition["cpu"], overrides.get("memory") or definition["memory"])


def check_network(request: Mapping[str, Json], mode: str | None, known: frozenset[str]) -> None:
    """Refuse a network configuration that does not fit the definition's mode, or names subnets nobody knows."""
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html
    given = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if mode != "awsvpc":
        if given:
            raise invalid(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return
    if not given:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if not given.get("subnets"):
        raise invalid("subnets can not be empty.")
    for subnet in given["subnets"]:
        if subnet not in known:
            raise invalid(
                f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
