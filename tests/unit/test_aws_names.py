"""ARNs, families of task definitions, and places of secrets."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from flowyard.aws.arns import Arn, FlowOwner, Owner, parse_arn
from flowyard.aws.secrets import SecretPlace, secret_place, secret_problem

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:team/db-AbCdEf"
PARAMETER = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter"
OWNER = Owner("acme", "production", "etl", "daily", "1")


def test_an_arn_is_taken_apart() -> None:
    assert parse_arn(f"{SECRET}:key::") == Arn(
        "aws", "secretsmanager", "eu-west-1", "123456789012", "secret:team/db-AbCdEf:key::"
    )


@pytest.mark.parametrize("text", ["", "arn:aws:s3", "urn:aws:s3:::x", "arn:aws:s3:::"])
def test_what_is_no_arn(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an ARN: "):
        parse_arn(text)


def test_a_family_is_readable_and_one_deployment_s_alone() -> None:
    assert re.fullmatch(r"flowyard-acme-production-etl-daily-[0-9a-f]{10}", OWNER.family)
    others = [
        replace(OWNER, project="acme-production", target="etl"),
        replace(OWNER, flow="etl-daily", deployment=""),
        replace(OWNER, pool="2"),
        replace(OWNER, deployment="daily_"),
    ]
    assert len({OWNER.family, *(other.family for other in others)}) == 5
    assert FlowOwner("acme", "production", "etl", "1").of("daily") == OWNER


def test_a_family_is_never_too_long() -> None:
    long = Owner("a" * 63, "b" * 63, "c" * 63, "d" * 62 + "1", "1")
    families = {long.family, replace(long, deployment="d" * 62 + "2").family}
    assert len(families) == 2
    assert {len(family) for family in families} == {255}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,255}", family) for family in families)


@pytest.mark.parametrize(
    ("arn", "place"),
    [
        (SECRET, SecretPlace("secret", (SECRET,), "123456789012", "eu-west-1")),
        (f"{SECRET}:key::", SecretPlace("secret", (SECRET,), "123456789012", "eu-west-1")),
        (f"{SECRET}:key:AWSCURRENT:1-2", SecretPlace("secret", (SECRET,), "123456789012", "eu-west-1")),
        (f"{PARAMETER}/db", SecretPlace("parameter", ("/db", "db"), "123456789012", "cn-north-1")),
        (f"{PARAMETER}/a/b", SecretPlace("parameter", ("/a/b", "a/b"), "123456789012", "cn-north-1")),
    ],
)
def test_where_a_secret_is_kept(arn: str, place: SecretPlace) -> None:
    assert secret_place(arn) == place


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        (SECRET, None),
        (SECRET.replace("eu-west-1", "eu-west-2"), "is in eu-west-2, and the tasks run in eu-west-1"),
        (f"{SECRET}:key", "names one key of a secret, and not all that goes with it"),
        (
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret",
            "is neither a secret of Secrets Manager nor",
        ),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/", "is neither a secret of Secrets Manager nor"),
        ("arn:aws:s3:::acme/secret", "is neither a secret of Secrets Manager nor"),
    ],
)
def test_what_is_wrong_with_a_secret(arn: str, found: str | None) -> None:
    text = secret_problem(arn, "eu-west-1")
    assert text == found if found is None else str(text).startswith(found)
