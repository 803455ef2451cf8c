"""The ARNs that policies name, put together from what the files say; and what they take from other ARNs.

Only names that AWS itself defines to be so are put together here; the host of a container registry never is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowyard.aws.arns import parse_arn
from flowyard.aws.secrets import secret_place

_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
)
_SECRET_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}")


def partition_of(region: str) -> str:
    """The partition that a region belongs to, such as `aws` or `aws-cn`."""
    return next((partition for prefix, partition in _PARTITIONS if region.startswith(prefix)), "aws")


def account_of(arn: str | None) -> str | None:
    """The account in an ARN, None for a name alone."""
    return parse_arn(arn).account if arn is not None and arn.startswith("arn:") else None


def role_name(arn: str) -> tuple[str, str]:
    """Path and name of the role with this ARN, such as `/teams/` and `etl`."""
    path, _, name = parse_arn(arn).resource.removeprefix("role").rpartition("/")
    return f"{path}/", name


def secret_arn(value: str) -> str:
    """What a policy names for a secret as a task definition names it: without JSON key, stage and version.

    Secrets Manager ends every ARN with six characters of its own; where they are left out, any will do.
    """
    place = secret_place(value)
    if place.kind == "parameter":
        return value
    (arn,) = place.names
    return arn if _SECRET_SUFFIX.fullmatch(arn[-7:]) else f"{arn}-??????"


@dataclass(frozen=True, slots=True)
class AccountRegion:
    """An account in a region."""

    region: str
    account: str

    @property
    def partition(self) -> str:
        """The partition the region belongs to."""
        return partition_of(self.region)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of a service that has regions."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """The ARN of something in IAM, which has no region: `role/NAME`."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"

    def objects(self, bucket: str, prefix: str) -> str:
        """The ARN of all objects of a bucket below a prefix, which may be empty."""
        return (
            f"arn:{self.partition}:s3:::{bucket}/{prefix}/*"
            if prefix
            else f"arn:{self.partition}:s3:::{bucket}/*"
        )
