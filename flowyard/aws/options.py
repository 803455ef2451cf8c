"""The options of the verb `policies`, with their help: what its policies take beyond what the files say.

A value, and not parameters of the verb, because the modules that make the policies take it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """None and () leave it to the files, or to what the help says."""

    account: Annotated[
        str | None, Parameter(help="Account the target runs in; needed where no ARN of the target has it.")
    ] = None
    region: Annotated[
        str | None, Parameter(help="Region; needed where neither the registry nor the cluster has one.")
    ] = None
    role_prefix: Annotated[
        str | None, Parameter(help="What the roles' names begin with; default: PROJECT-TARGET.")
    ] = None
    github: Annotated[
        str | None,
        Parameter(
            help="OWNER/REPOSITORY whose workflows ship, or OWNER@ID/REPOSITORY@ID; none: no trust policy."
        ),
    ] = None
    branch: Annotated[
        str | None, Parameter(help="Branch that may ship; default: main, where no environment is named.")
    ] = None
    environment: Annotated[
        str | None, Parameter(help="Environment on GitHub that may ship, as in `environment: production`.")
    ] = None
    worker: Annotated[
        Literal["ecs", "ec2"] | None,
        Parameter(
            help="Where the worker runs: as an ECS task or on an EC2 instance; default: with its tasks."
        ),
    ] = None
    events_queue: Annotated[
        str | None,
        Parameter(help="Queue of task events that the worker reads; default: WORK-POOL-ecs-events."),
    ] = None
    secrets_key: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="ARN of a KMS key that secrets are encrypted with; any number of them."),
    ] = ()
    results_key: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="ARN of a KMS key that the results' bucket is encrypted with."),
    ] = ()
