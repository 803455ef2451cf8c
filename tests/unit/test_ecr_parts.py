"""The parts of ECR that ask nothing: hosts, the lifecycle policy, and how long a token is kept."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from flowyard.adapters.aws.ecr_tokens import Tokens
from flowyard.aws.ecr_hosts import account_and_region, at_endpoint
from flowyard.aws.lifecycle import untagged_days, untagged_policy
from flowyard.errors import AwsError
from flowyard.values import Json

HALF = 6 * 3600.0


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ("123456789012", "cn-north-1")),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ("123456789012", "us-gov-west-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", ("123456789012", "eu-west-1")),
        ("123456789012.dkr-ecr-fips.us-east-1.on.aws", ("123456789012", "us-east-1")),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", ("123456789012", "eusc-de-east-1")),
        ("123456789012.DKR.ECR.eu-west-1.amazonaws.com", ("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
        ("evil.123456789012.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("12345.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("public.ecr.aws", None),
        ("ecr.eu-west-1", None),
        ("127.0.0.1:5000", None),
    ],
)
def test_a_host_of_ecr_is_recognized(host: str, found: tuple[str, str] | None) -> None:
    assert account_and_region(host) == found


USUAL = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
BOTH = "123456789012.dkr-ecr-fips.eu-west-1.on.aws"


@pytest.mark.parametrize(
    ("host", "dual_stack", "fips", "named"),
    [
        (USUAL, False, False, USUAL),
        (USUAL, True, False, "123456789012.dkr-ecr.eu-west-1.on.aws"),
        (USUAL, False, True, "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com"),
        (USUAL, True, True, BOTH),
        (BOTH, True, True, BOTH),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            True,
            False,
            "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
        ),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", True, False, None),
        ("127.0.0.1:5000", False, False, "127.0.0.1:5000"),
        ("127.0.0.1:5000", True, False, None),
    ],
)
def test_a_registry_has_a_name_for_each_of_its_endpoints(
    host: str, dual_stack: bool, fips: bool, named: str | None
) -> None:
    assert at_endpoint(host, dual_stack=dual_stack, fips=fips) == named
    if named is not None and host != "127.0.0.1:5000":
        assert account_and_region(named) == account_and_region(host)


def test_a_policy_is_ours_only_as_we_write_it() -> None:
    ours = untagged_policy(14)
    assert untagged_days(ours) == 14
    assert untagged_days(json.dumps(json.loads(ours), indent=2)) == 14
    other = json.loads(ours)
    other["rules"].append({**other["rules"][0], "rulePriority": 2})
    for text in (
        json.dumps(other),
        ours.replace("Flowyard", "Me"),
        ours.replace("14", "true"),
        "{}",
        "[]",
        "x",
    ):
        assert untagged_days(text) is None
    assert len(ours) >= 100  # the API takes none that is shorter


@dataclass
class FakeTime:
    """A Timer that stands still until it is moved."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@dataclass
class FakeEcr:
    """AwsCalls that hands out numbered tokens; `broken` makes it fail."""

    asked: list[Json] = field(default_factory=list)
    lasts: timedelta = timedelta(hours=12)
    broken: bool = False

    def call(self, service: str, action: str, resource: str, **parameters: Json) -> Json:
        self.asked.append((f"{service}:{action}", resource, parameters))
        if self.broken:
            raise AwsError("no answer")
        token = base64.b64encode(f"AWS:token {len(self.asked)}".encode()).decode()
        endpoint = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        data = {
            "authorizationToken": token,
            "expiresAt": datetime.now(UTC) + self.lasts,
            "proxyEndpoint": endpoint,
        }
        return {"authorizationData": [data]}


class TestTokens:
    def test_a_token_is_kept_until_half_its_life(self) -> None:
        ecr, timer = FakeEcr(), FakeTime()
        tokens = Tokens(ecr, None, timer)
        first = tokens.current()
        assert (first.credentials.username, first.credentials.secret.reveal(), first.host) == (
            "AWS",
            "token 1",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        )
        timer.sleep(HALF - 60)
        assert tokens.current() is first
        timer.sleep(61)
        assert tokens.current().credentials.secret.reveal() == "token 2"
        assert ecr.asked == [("ecr:GetAuthorizationToken", "the caller's registry", {})] * 2

    def test_a_new_one_is_fetched_when_asked_for(self) -> None:
        tokens = Tokens(FakeEcr(), None, FakeTime())
        found = [tokens.current(renewed=renewed) for renewed in (False, True, False)]
        assert [one.credentials.secret.reveal() for one in found] == ["token 1", "token 2", "token 2"]

    def test_of_another_account_its_registry_is_asked_for(self) -> None:
        ecr = FakeEcr()
        Tokens(ecr, "210987654321", FakeTime()).current()
        owner = {"registryIds": ["210987654321"]}
        assert ecr.asked == [("ecr:GetAuthorizationToken", "the registry of account 210987654321", owner)]

    def test_while_the_api_fails_the_old_one_is_used_as_long_as_it_lasts(self) -> None:
        ecr, timer = FakeEcr(), FakeTime()
        tokens = Tokens(ecr, None, timer)
        tokens.current()
        ecr.broken = True
        timer.sleep(HALF + 60)
        assert [tokens.current().credentials.secret.reveal() for _ in range(3)] == ["token 1"] * 3
        assert len(ecr.asked) == 2  # not again for every push
        with pytest.raises(AwsError):
            tokens.current(renewed=True)
        timer.sleep(HALF)
        with pytest.raises(AwsError):
            tokens.current()

    def test_a_clock_that_is_ahead_of_awss_costs_a_call_and_not_the_push(self) -> None:
        tokens = Tokens(FakeEcr(lasts=timedelta(hours=-1)), None, FakeTime())
        assert [tokens.current().credentials.secret.reveal() for _ in range(2)] == ["token 1", "token 2"]

    def test_nobody_can_print_it(self) -> None:
        assert "token 1" not in repr(Tokens(FakeEcr(), None, FakeTime()).current())
