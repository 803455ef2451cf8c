"""The base job template of an ECS work pool that Flowyard makes.

The worker's own, with what its task definition leaves out: secrets, the task's role, the processor, the disk, and
an init process; and with what its request to start a task leaves out. A run without a registered task definition
works in such a pool as well.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType

from flowyard.errors import AwsError
from flowyard.values import Json

_VARIABLES: Mapping[str, Json] = MappingProxyType(
    {
        "secrets": {
            "title": "Secrets",
            "description": "Secrets Manager secrets and SSM parameters by ARN, and the variables a run finds them in.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "valueFrom": {"type": "string"}},
                "required": ["name", "valueFrom"],
            },
        },
        "runtime_platform": {
            "title": "Runtime Platform",
            "description": "Processor (`cpuArchitecture`: `X86_64`, `ARM64`) and system (`operatingSystemFamily`).",
            "type": "object",
        },
        "ephemeral_storage": {
            "title": "Ephemeral Storage",
            "description": "Disk of a Fargate task in GiB, 21 to 200.",
            "anyOf": [{"type": "integer", "minimum": 21, "maximum": 200}, {"type": "null"}],
            "default": None,
        },
        "enable_execute_command": {
            "title": "Enable Execute Command",
            "description": "Allow `aws ecs execute-command` into the task; needs a task role.",
            "anyOf": [{"type": "boolean"}, {"type": "null"}],
            "default": None,
        },
        "platform_version": {
            "title": "Platform Version",
            "description": "Version of the Fargate platform; default: `LATEST`.",
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "default": None,
        },
        "propagate_tags": {
            "title": "Propagate Tags",
            "description": "`TASK_DEFINITION` gives tasks the tags of their task definition.",
            "anyOf": [{"type": "string", "enum": ["TASK_DEFINITION", "NONE"]}, {"type": "null"}],
            "default": None,
        },
    }
)


def base_job_template() -> Mapping[str, Json]:
    """The template of a pool that a worker polls. It imports prefect, so only a pool that is made pays for it."""
    template = _of_the_worker()
    template["variables"]["properties"] |= copy.deepcopy(dict(_VARIABLES))
    definition = template["job_configuration"]["task_definition"]
    definition["containerDefinitions"][0] |= {
        "secrets": "{{ secrets }}",
        "linuxParameters": {"initProcessEnabled": True},
    }
    definition |= {
        "taskRoleArn": "{{ task_role_arn }}",
        "runtimePlatform": "{{ runtime_platform }}",
        "ephemeralStorage": {"sizeInGiB": "{{ ephemeral_storage }}"},
    }
    template["job_configuration"]["task_run_request"] |= {
        "enableExecuteCommand": "{{ enable_execute_command }}",
        "platformVersion": "{{ platform_version }}",
        "propagateTags": "{{ propagate_tags }}",
    }
    return template


def push_base_job_template() -> Mapping[str, Json]:
    """The template of a pool that Prefect Cloud itself runs tasks of: it needs credentials for the account."""
    template = base_job_template()
    variables = {**template["variables"], "required": ["aws_credentials"]}
    return {**template, "variables": variables}


def _of_the_worker() -> dict[str, Json]:
    try:
        from prefect_aws.workers import ECSWorker
    except ModuleNotFoundError as error:
        raise AwsError(
            f"the base job template of an ECS work pool needs the package {error.name}, which is not installed here",
            hint='pip install "flowyard[aws]"',
        ) from None
    template: dict[str, Json] = copy.deepcopy(ECSWorker.get_default_base_job_template())
    return template
