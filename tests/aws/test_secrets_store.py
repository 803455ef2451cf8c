"""The contract of SecretStore, on the fake and on the real adapter before AWS's APIs: nobody reads a value."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flowyard.adapters.aws.secrets import AwsSecrets
from flowyard.adapters.aws.session import AwsSession
from flowyard.aws.secrets import SecretLook
from flowyard.errors import AwsError
from flowyard.ports import SecretStore
from tests.aws.api import REGION, AwsApi
from tests.aws.faults import BROKEN, DENIED, THROTTLED, Cut, Fault
from tests.fakes_aws import FakeSecrets

pytest_plugins = ("tests.aws.fixtures",)

SECRET, PARAMETER = (
    f"arn:aws:secretsmanager:{REGION}:123456789012:secret:",
    f"arn:aws:ssm:{REGION}:123456789012:parameter",
)
NO_SECRET, NO_PARAMETER = (f"there is no such {kind} in {REGION}" for kind in ("secret", "parameter"))


def prepared(api: AwsApi) -> Mapping[str, str]:
    """ARNs of secrets: some that are there, one that is to be deleted, some that are not there."""
    manager, systems = api.client("secretsmanager"), api.client("ssm")
    there, ending = (manager.create_secret(Name=name, SecretString="x")["ARN"] for name in ("db", "old"))
    manager.delete_secret(SecretId=ending, RecoveryWindowInDays=7)
    for name in ("/flows/db", "plain"):
        systems.put_parameter(Name=name, Value="x", Type="SecureString")
    return {
        "secret": there,
        "key of a secret": f"{there}:password::",
        "secret that ends": ending,
        "no secret": f"{SECRET}none-AbCdEf",
        "parameter": f"{PARAMETER}/flows/db",
        "plain parameter": f"{PARAMETER}/plain",
        "no parameter": f"{PARAMETER}/none",
    }


ANSWERS: Mapping[str, SecretLook] = {
    "secret": SecretLook(True),
    "key of a secret": SecretLook(True),
    "secret that ends": SecretLook(False, "is marked for deletion, and cannot be read"),
    "no secret": SecretLook(False, NO_SECRET),
    "parameter": SecretLook(True),
    "plain parameter": SecretLook(True),
    "no parameter": SecretLook(False, NO_PARAMETER),
}


@pytest.fixture
def arns(in_aws: AwsApi) -> Mapping[str, str]:
    return prepared(in_aws)


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_what_is_there_and_what_is_not(arns: Mapping[str, str], kind: str) -> None:
    fake = FakeSecrets({arns[name]: look for name, look in ANSWERS.items() if not look.there})
    store: SecretStore = fake if kind == "fake" else AwsSecrets(AwsSession(REGION))
    assert {name: store.look(arn) for name, arn in arns.items()} == ANSWERS


def test_no_value_is_asked_for_and_each_secret_once(arns: Mapping[str, str], in_aws: AwsApi) -> None:
    store = AwsSecrets(AwsSession(REGION))
    for arn in [*arns.values(), *arns.values()]:
        store.look(arn)
    asked = {name: in_aws.actions().count(name) for name in in_aws.actions()}
    assert asked == {
        "secretsmanager:DescribeSecret": 4,
        "ssm:DescribeParameters": 3,
        "sts:GetCallerIdentity": 1,
    }


@pytest.mark.parametrize("name", ["secret", "parameter"])
def test_whoever_may_not_look_does_not_know(arns: Mapping[str, str], in_aws: AwsApi, name: str) -> None:
    action = {"secret": "DescribeSecret", "parameter": "DescribeParameters"}[name]
    service = {"secret": "secretsmanager", "parameter": "ssm"}[name]
    in_aws.fail(service, action, DENIED)
    look = AwsSecrets(AwsSession(REGION)).look(arns[name])
    assert look.there is None
    assert look.why.startswith(f"AWS refused {service}:{action} on ")


@pytest.mark.parametrize("name", ["no secret", "no parameter"])
def test_what_another_account_does_not_show_may_be_there(arns: Mapping[str, str], name: str) -> None:
    look = AwsSecrets(AwsSession(REGION)).look(arns[name].replace("123456789012", "210987654321"))
    assert look == SecretLook(None, "it belongs to account 210987654321, which did not show it")


@pytest.mark.parametrize("fault", [THROTTLED, BROKEN, Cut.DROPPED, Cut.LOST])
@pytest.mark.parametrize("name", ["secret", "parameter"])
def test_a_single_fault_is_survived(arns: Mapping[str, str], in_aws: AwsApi, name: str, fault: Fault) -> None:
    action = {"secret": "DescribeSecret", "parameter": "DescribeParameters"}[name]
    service = {"secret": "secretsmanager", "parameter": "ssm"}[name]
    planned = in_aws.fail(service, action, fault)
    assert AwsSecrets(AwsSession(REGION)).look(arns[name]) == SecretLook(True)
    assert planned.happened == 1


def test_no_answer_is_an_error(arns: Mapping[str, str], in_aws: AwsApi) -> None:
    in_aws.fail("secretsmanager", "DescribeSecret", BROKEN, times=99)
    with pytest.raises(AwsError):
        AwsSecrets(AwsSession(REGION, tries=2)).look(arns["secret"])
