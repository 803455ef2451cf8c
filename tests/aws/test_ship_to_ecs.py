"""A whole ship before AWS's APIs: what it asks for, and what becomes of it when one request fails.

Judged from what the account and the Prefect server hold afterwards, not from what the ship says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flowyard.errors import AwsRefused
from flowyard.outcome import Outcome
from flowyard.pipeline import ship
from flowyard.wiring import open_ecs_side
from tests.aws.api import REGION, AwsApi
from tests.aws.ecs_definitions import keep_manners
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Fault
from tests.ecs_site import HELLO, REGISTRY, SECRET, ecs_site
from tests.support import FLOW, write_files
from tests.yard_site import Site

pytest_plugins = ("tests.aws.fixtures",)

CHANGED = f"{FLOW}\nCHANGED = 1\n"
MORE = 'log-group = "/flows"\ntags = { team = "data" }\n'
STEPS = (
    "secretsmanager:DescribeSecret",
    "ecs:ListTaskDefinitions",
    "ecs:DescribeTaskDefinition",
    "ecs:RegisterTaskDefinition",
    "ecs:ListTaskDefinitions",
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
)
NUMBERED = [(step, STEPS[:index].count(step) + 1) for index, step in enumerate(STEPS)]
NEEDED = NUMBERED[1:4]  # without these nothing can be registered
FAULTS: Mapping[str, Fault] = {
    "throttled": THROTTLED,
    "broken": BROKEN,
    "dropped": Cut.DROPPED,
    "lost": Cut.LOST,
}


@dataclass
class Account:
    """A project that is shipped to an AWS account."""

    site: Site
    aws: AwsApi

    def ship(self) -> Outcome:
        """Ship with the real adapters; only what is asked from now on is recorded."""
        self.aws.calls.clear()
        yard = self.site.yard()
        yard = replace(yard, ecs=open_ecs_side(yard.target))
        (outcome,) = ship(yard, yard.project.flows, whole=True)
        return outcome

    def forget(self) -> None:
        """Delete the release records: nothing but the deployment names what was shipped before."""
        server = self.site.server
        server.artifacts = [one for one in server.artifacts if "--hello" not in one["key"]]

    def deployed(self) -> str:
        """The task definition that the deployment names."""
        (row,) = self.site.server.deployments.values()
        return str(row["job_variables"]["task_definition_arn"])

    def revisions(self) -> dict[str, str]:
        """The status of every revision by its number."""
        ecs = self.aws.client("ecs")
        found = [
            arn
            for status in ("ACTIVE", "INACTIVE")
            for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
        ]
        described = (ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in found)
        return {str(one["revision"]): one["status"] for one in described}

    def image(self) -> str:
        """The image of the task definition that the deployment names, which has to be active."""
        found = self.aws.client("ecs").describe_task_definition(taskDefinition=self.deployed())
        assert found["taskDefinition"]["status"] == "ACTIVE"
        return str(found["taskDefinition"]["containerDefinitions"][0]["image"])

    def fail(self, step: str, fault: Fault, nth: int, times: int = 1) -> None:
        """Let the nth of these calls fail."""
        service, action = step.split(":")
        self.aws.fail(service, action, fault, nth=nth, times=times)


@pytest.fixture
def account(in_aws: AwsApi, tmp_path: Path) -> Account:
    """Shipped once, and changed since; the first release is forgotten."""
    keep_manners(in_aws)
    secret = in_aws.client("secretsmanager").create_secret(Name="db", SecretString="x")["ARN"]
    files = {"registry.toml": REGISTRY.replace(SECRET, secret) + MORE, HELLO: "[deployments.daily]\n"}
    made = Account(ecs_site(tmp_path / "project", files), in_aws)
    assert made.ship().error is None
    made.forget()
    write_files(made.site.root, {"flows/hello/flow.py": CHANGED})
    return made


def test_what_a_ship_asks_for(account: Account) -> None:
    outcome = account.ship()
    assert (outcome.error, outcome.notes, account.aws.actions()) == (None, (), list(STEPS))
    assert (account.deployed()[-2:], account.image()) == (":2", str(outcome.image))
    assert account.revisions() == {"1": "INACTIVE", "2": "ACTIVE"}


def test_a_ship_with_nothing_to_do_asks_for_nothing(account: Account) -> None:
    account.ship()
    assert account.ship().error is None
    assert account.aws.actions() == []


def test_a_ship_of_what_is_there_registers_nothing(account: Account) -> None:
    account.ship()
    account.site.server.deployments.clear()
    assert account.ship().error is None
    assert account.aws.actions() == [*STEPS[:3], "ecs:ListTaskDefinitions"]
    assert account.deployed().endswith(":2")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("step", "nth"), NUMBERED)
def test_a_single_fault_of_any_request_is_survived(account: Account, step: str, nth: int, fault: str) -> None:
    account.fail(step, FAULTS[fault], nth)
    outcome = account.ship()
    assert len(account.aws.calls) > len(STEPS), "the fault happened"
    assert (outcome.error, outcome.notes) == (None, ())
    assert account.image() == str(outcome.image)
    # Registered twice where the answer was lost: the one that nothing names is retired with the old one.
    revisions = account.revisions()
    active = [number for number, status in revisions.items() if status == "ACTIVE"]
    assert active == [account.deployed().rpartition(":")[2]]
    assert len(revisions) == (3 if (step, fault) == (STEPS[3], "lost") else 2)


@pytest.mark.parametrize(("step", "nth"), NUMBERED)
def test_a_permission_that_is_missing(account: Account, step: str, nth: int) -> None:
    before = account.deployed()
    account.fail(step, DENIED, nth, times=99)
    outcome = account.ship()
    if (step, nth) in NEEDED:
        assert isinstance(outcome.error, AwsRefused)
        assert f"{step} on " in outcome.error.message
        assert "assumed-role/tests/session" in outcome.error.message
        assert (account.deployed(), account.revisions()) == (before, {"1": "ACTIVE"})
        return
    assert outcome.error is None
    (note,) = outcome.notes
    assert step in note
    assert account.image() == str(outcome.image)
    assert account.revisions()["1"] == ("INACTIVE" if step == STEPS[0] else "ACTIVE")


def test_a_secret_that_is_gone(account: Account) -> None:
    account.aws.client("secretsmanager").delete_secret(SecretId="db", ForceDeleteWithoutRecovery=True)
    outcome = account.ship()
    assert outcome.error is not None
    assert f"targets.local.secrets.A_SECRET: there is no such secret in {REGION}" in outcome.error.message
    assert account.aws.actions("ecs") == []
    assert len(account.site.built()) == 1
