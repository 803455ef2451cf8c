"""What the policies of a target take beyond what the files say, as the verb `policies` is given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """None and () leave it to the files, or to what is usual."""

    account: str | None = None
    region: str | None = None
    role_prefix: str | None = None
    github: str | None = None
    branch: str | None = None
    environment: str | None = None
    worker: Literal["ecs", "ec2"] | None = None
    events_queue: str | None = None
    secrets_key: tuple[str, ...] = ()
    results_key: tuple[str, ...] = ()
