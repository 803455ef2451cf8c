"""Secrets by ARN, in the two forms that ECS takes, and what is wrong with one before anybody is asked.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowyard.aws.arns import parse_arn

_KINDS = (
    "write the ARN of a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME) or of a parameter "
    "(arn:aws:ssm:REGION:ACCOUNT:parameter/NAME)"
)


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is kept: in Secrets Manager, by its ARN, or as a parameter, by the names it may have.

    A parameter's ARN does not tell `db` from `/db`.
    """

    kind: Literal["secret", "parameter"]
    names: tuple[str, ...]
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class SecretLook:
    """What a look at a secret said: whether it is there, None where that is not known, and else why."""

    there: bool | None
    why: str = ""


def secret_place(arn: str) -> SecretPlace:
    """Where the value lies that an ARN names. Raises ValueError, with what to write instead."""
    found = parse_arn(arn)
    kind, *parts = found.resource.split(":")
    if found.service == "secretsmanager" and kind == "secret" and parts:
        if len(parts) not in (1, 4):
            raise ValueError(
                "names one key of a secret, and not all that goes with it; end it with NAME:KEY:STAGE:VERSION, where "
                "STAGE and VERSION may be empty, as in NAME:KEY::"
            )
        whole = arn.rsplit(":", 3)[0] if len(parts) == 4 else arn
        return SecretPlace("secret", (whole,), found.account, found.region)
    if found.service == "ssm" and kind.startswith("parameter/") and kind != "parameter/":
        name = kind.removeprefix("parameter")
        return SecretPlace("parameter", (name, name[1:]), found.account, found.region)
    raise ValueError(f"is neither a secret of Secrets Manager nor a parameter of Systems Manager; {_KINDS}")


def secret_problem(arn: str, region: str) -> str | None:
    """What is wrong with a secret's ARN for tasks in this region."""
    if not arn.startswith("arn:"):
        return f"is no ARN; {_KINDS}"
    try:
        place = secret_place(arn)
    except ValueError as error:
        return str(error)
    if place.region != region:
        return f"is in {place.region}, and the tasks run in {region}, where ECS looks for it; name one in {region}"
    return None
