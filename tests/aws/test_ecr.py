"""ECR's repositories and tokens: what is made, what is left alone, and who may do what."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flowyard.adapters.aws.ecr import EcrRegistry
from flowyard.adapters.aws.session import AwsSession
from flowyard.aws.lifecycle import untagged_policy
from flowyard.errors import AwsError, AwsRefused, FlowyardError, RegistryError
from flowyard.images import ImageReference, PublishedImage, Repository
from flowyard.target import EcrSettings
from tests.aws.accounts import pushed, registry
from tests.aws.api import REGION, AwsApi
from tests.aws.calls import OTHER
from tests.aws.faults import DENIED, Cut, Refusal
from tests.aws.registry_front import RegistryFront

pytest_plugins = ("tests.aws.fixtures",)

ETL = Repository("ecr.eu-west-1", "flows/etl")
ONE = ImageReference(ETL, "one")
CREATE = "ecr:CreateRepository"
DESCRIBE = "ecr:DescribeRepositories"
TOKEN = "ecr:GetAuthorizationToken"


def quick(**settings: Any) -> EcrRegistry:
    """The registry of a caller who asks once."""
    return EcrRegistry(EcrSettings(REGION, **settings), AwsSession(REGION, tries=1))


def refused(ecr: EcrRegistry, repository: Repository = ETL) -> tuple[type[FlowyardError], str, str]:
    """The error that making a repository ready ends with."""
    with pytest.raises(FlowyardError) as caught:
        ecr.ready(repository)
    return type(caught.value), caught.value.message, caught.value.hint


def described(front: RegistryFront, path: str = "flows/etl") -> dict[str, Any]:
    found: dict[str, Any] = front.api.client("ecr").describe_repositories(repositoryNames=[path])
    return dict(found["repositories"][0])


class TestMade:
    def test_a_missing_repository_is_made_as_the_files_want_it(self, front: RegistryFront) -> None:
        ecr = registry(scan_on_push=False, encryption_key="alias/flows", tags={"team": "data", "cost": "7"})
        assert ecr.ready(ETL) == Repository(front.host, "flows/etl")
        assert front.api.actions() == [DESCRIBE, CREATE]
        assert front.api.calls[1].parameters == {
            "repositoryName": "flows/etl",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/flows"},
            "tags": [{"Key": "cost", "Value": "7"}, {"Key": "team", "Value": "data"}],
        }

    def test_without_wishes_it_is_immutable_scanned_and_encrypted_by_ecr(self, front: RegistryFront) -> None:
        registry().ready(ETL)
        found = described(front)
        assert (found["imageTagMutability"], found["imageScanningConfiguration"]) == (
            "IMMUTABLE",
            {"scanOnPush": True},
        )
        assert found["encryptionConfiguration"] == {"encryptionType": "AES256"}
        assert "tags" not in front.api.calls[1].parameters

    def test_it_is_asked_for_once(self, front: RegistryFront) -> None:
        ecr = registry()
        assert {ecr.ready(ETL) for _ in range(3)} == {Repository(front.host, "flows/etl")}
        assert front.api.actions() == [DESCRIBE, CREATE]

    def test_one_that_is_there_is_left_as_it_is(self, front: RegistryFront) -> None:
        front.api.client("ecr").create_repository(repositoryName="flows/etl")
        registry(tags={"team": "data"}).ready(ETL)
        assert front.api.actions() == [DESCRIBE]
        assert described(front)["imageTagMutability"] == "MUTABLE"

    def test_an_answer_that_was_lost_is_no_error(self, front: RegistryFront) -> None:
        planned = front.api.fail("ecr", "CreateRepository", Cut.LOST)
        registry(expire_untagged_days=14).ready(ETL)
        policy = front.api.client("ecr").get_lifecycle_policy(repositoryName="flows/etl")
        assert (json.loads(policy["lifecyclePolicyText"]), planned.happened) == (
            json.loads(untagged_policy(14)),
            1,
        )

    @pytest.mark.parametrize("together", [True, False])
    def test_of_sixteen_makers_each_succeeds_and_one_repository_is_made(
        self, front: RegistryFront, together: bool
    ) -> None:
        """Threads of one ship, and sixteen ships."""
        one = registry()
        makers = [one if together else registry() for _ in range(16)]
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda maker: maker.ready(ETL), makers))
        assert found == [Repository(front.host, "flows/etl")] * 16
        assert len(front.api.client("ecr").describe_repositories()["repositories"]) == 1
        assert front.api.actions().count(CREATE) == 1 or not together

    def test_a_quota_that_is_reached_is_told(self, front: RegistryFront) -> None:
        limit = Refusal("LimitExceededException", "The repository limit of 100000 has been reached")
        front.api.fail("ecr", "CreateRepository", limit)
        kind, message, hint = refused(quick())
        assert kind is AwsRefused
        assert message.startswith(f"AWS refused {CREATE} on repository flows/etl: LimitExceededException: ")
        assert hint.startswith("a quota of the account is reached")


class TestPermissions:
    def test_who_may_not_make_one_may_use_one(self, front: RegistryFront) -> None:
        front.api.client("ecr").create_repository(repositoryName="flows/etl")
        front.api.fail("ecr", "CreateRepository", DENIED, times=99)
        assert registry().ready(ETL) == Repository(front.host, "flows/etl")

    def test_who_may_not_describe_one_may_use_one(self, front: RegistryFront) -> None:
        front.api.client("ecr").create_repository(repositoryName="flows/etl")
        for action in ("CreateRepository", "DescribeRepositories"):
            front.api.fail("ecr", action, DENIED, times=99)
        assert registry().ready(ETL) == Repository(front.host, "flows/etl")
        assert front.api.actions() == [DESCRIBE, TOKEN]

    def test_who_may_not_describe_one_may_make_one(self, front: RegistryFront) -> None:
        front.api.fail("ecr", "DescribeRepositories", DENIED, times=99)
        assert registry(expire_untagged_days=3).ready(ETL) == Repository(front.host, "flows/etl")
        assert front.api.actions() == [DESCRIBE, TOKEN, CREATE, "ecr:PutLifecyclePolicy"]

    def test_who_may_not_make_a_missing_one_is_told_what_is_missing(self, front: RegistryFront) -> None:
        front.api.fail("ecr", "CreateRepository", DENIED, times=99)
        kind, message, hint = refused(registry())
        assert kind is AwsRefused
        assert message.startswith(
            f"AWS refused {CREATE} on repository flows/etl: AccessDeniedException: User: "
            "arn:aws:sts::123456789012:assumed-role/tests/session is not authorized to perform: "
            f"{CREATE} on resource: arn:aws:ecr:eu-west-1:123456789012:repository/flows/etl"
        )
        assert hint.startswith(f"let the caller do {CREATE}")

    def test_what_others_make_is_not_made(self, front: RegistryFront) -> None:
        assert refused(registry(create=False)) == (
            RegistryError,
            "repository flows/etl is not in ECR in eu-west-1, and `create = false` leaves it to others",
            "have it made, or set `create = true` for the target's registry",
        )
        assert front.api.actions() == [DESCRIBE]


class TestOtherAccounts:
    HERE = Repository(f"{OTHER}.ecr.eu-west-1", "flows/etl")

    def test_nothing_is_made_in_one(self, other: RegistryFront) -> None:
        assert refused(registry(account=OTHER), self.HERE) == (
            RegistryError,
            f"repository flows/etl is not in ECR of account {OTHER} in eu-west-1, and nothing is made in another "
            "account than the caller's (123456789012)",
            "have its owner make it, with a policy that lets "
            "arn:aws:sts::123456789012:assumed-role/tests/session push and pull",
        )
        assert CREATE not in other.api.actions()

    def test_what_is_there_is_used_from_the_callers_own(self, other: RegistryFront) -> None:
        client = other.api.client("ecr")
        other.api.answer_with("ecr", "CreateRepository", lambda call, proceed: proceed())
        client.create_repository(registryId=OTHER, repositoryName="flows/etl")
        ecr = registry(account=OTHER, expire_untagged_days=3)
        digest = pushed(ecr, ImageReference(self.HERE, "one"), [{"a": b"1"}])
        found = ecr.find(ImageReference(self.HERE, "one"))
        assert found == PublishedImage(Repository(other.host, "flows/etl"), digest)
        assert other.api.actions() == [DESCRIBE, TOKEN]
        assert other.image("flows/etl", "one") is not None

    def test_the_callers_own_may_be_named(self, front: RegistryFront) -> None:
        ecr = registry(account="123456789012")
        ready = ecr.ready(Repository("123456789012.ecr.eu-west-1", "flows/etl"))
        assert ready == Repository(front.host, "flows/etl")
        assert front.api.actions() == [DESCRIBE, "sts:GetCallerIdentity", CREATE]


class TestLifecycle:
    def policy(self, front: RegistryFront) -> Any:
        client = front.api.client("ecr")
        try:
            found = client.get_lifecycle_policy(repositoryName="flows/etl")
        except client.exceptions.LifecyclePolicyNotFoundException:
            return None
        return json.loads(found["lifecyclePolicyText"])

    def test_one_that_is_made_gets_it(self, front: RegistryFront) -> None:
        registry(expire_untagged_days=14).ready(ETL)
        assert self.policy(front) == json.loads(untagged_policy(14))

    def test_it_is_not_written_unless_it_is_wanted(self, front: RegistryFront) -> None:
        registry().ready(ETL)
        assert self.policy(front) is None

    def test_other_days_replace_ours(self, front: RegistryFront) -> None:
        registry(expire_untagged_days=14).ready(ETL)
        registry(expire_untagged_days=30).ready(ETL)
        assert self.policy(front) == json.loads(untagged_policy(30))

    def test_somebody_elses_is_never_overwritten(self, front: RegistryFront) -> None:
        registry().ready(ETL)
        theirs = untagged_policy(14).replace("Flowyard", "the platform team")
        front.api.client("ecr").put_lifecycle_policy(repositoryName="flows/etl", lifecyclePolicyText=theirs)
        registry(expire_untagged_days=30).ready(ETL)
        assert self.policy(front) == json.loads(theirs)

    def test_a_repository_with_images_that_has_none_stays_without(self, front: RegistryFront) -> None:
        pushed(registry(), ONE, [{"a": b"1"}])
        registry(expire_untagged_days=30).ready(ETL)
        assert self.policy(front) is None

    def test_one_whose_tags_move_stays_without(self, front: RegistryFront) -> None:
        front.api.client("ecr").create_repository(repositoryName="flows/etl")
        registry(expire_untagged_days=30).ready(ETL)
        assert self.policy(front) is None

    def test_what_was_interrupted_is_finished_by_the_next_ship(self, front: RegistryFront) -> None:
        front.api.fail("ecr", "PutLifecyclePolicy", DENIED)
        assert refused(registry(expire_untagged_days=14))[0] is AwsRefused
        registry(expire_untagged_days=14).ready(ETL)
        assert self.policy(front) == json.loads(untagged_policy(14))

    def test_who_may_not_look_at_it_leaves_it(self, front: RegistryFront) -> None:
        registry().ready(ETL)
        front.api.fail("ecr", "GetLifecyclePolicy", DENIED, times=99)
        registry(expire_untagged_days=14).ready(ETL)
        assert self.policy(front) is None


class TestImages:
    def test_a_plan_asks_for_one_token_whatever_the_number_of_flows(self, front: RegistryFront) -> None:
        ecr = registry()
        for number in range(20):
            assert ecr.find(ImageReference(Repository(ETL.host, f"flows/f{number}"), "one")) is None
        assert front.api.actions() == [TOKEN]

    def test_an_expired_token_is_renewed_once(self, front: RegistryFront) -> None:
        ecr = registry()
        digest = pushed(ecr, ONE, [{"a": b"1"}])
        front.api.ecr.tokens.expire()
        front.api.calls.clear()
        assert ecr.find(ONE) == PublishedImage(Repository(front.host, "flows/etl"), digest)
        assert front.api.actions() == [TOKEN]

    def test_a_deleted_image_is_absent(self, front: RegistryFront) -> None:
        ecr = registry()
        pushed(ecr, ONE, [{"a": b"1"}])
        front.api.client("ecr").batch_delete_image(repositoryName="flows/etl", imageIds=[{"imageTag": "one"}])
        assert ecr.find(ONE) is None

    def test_who_may_not_pull_is_told_what_to_allow(self, front: RegistryFront) -> None:
        ecr = registry()
        pushed(ecr, ONE, [{"a": b"1"}])
        front.fail("manifest.get", 403, times=99)
        with pytest.raises(RegistryError) as caught:
            ecr.find(ONE)
        assert (caught.value.message, caught.value.hint) == (
            f"{front.host}/flows/etl:one: the container registry answered HTTP 403 DENIED "
            "(User is not authorized), to a new login too",
            "let the caller read it: on ECR with ecr:BatchGetImage and ecr:GetDownloadUrlForLayer",
        )

    def test_who_may_not_get_a_token_is_told_so(self, front: RegistryFront) -> None:
        front.api.fail("ecr", "GetAuthorizationToken", DENIED, times=99)
        with pytest.raises(AwsError, match=f"AWS refused {TOKEN} on the caller's registry"):
            registry().find(ONE)


class TestLogins:
    def test_tokens_are_for_this_registrys_hosts_only(self, in_aws: AwsApi) -> None:
        ecr = quick()
        ecr.ready(ETL)
        mine = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        hosts = {
            mine: True,
            "123456789012.dkr-ecr.eu-west-1.on.aws": True,
            "210987654321.dkr.ecr.eu-west-1.amazonaws.com": True,
            "123456789012.dkr.ecr.us-east-1.amazonaws.com": False,
            "docker.io": False,
            "ghcr.io": False,
            "127.0.0.1:5000": False,
        }
        assert {host: ecr.credentials(host) is not None for host in hosts} == hosts

    def test_in_china_the_host_is_the_answers(self, in_aws: AwsApi) -> None:
        ecr = EcrRegistry(EcrSettings("cn-north-1"), AwsSession("cn-north-1"))
        assert ecr.ready(Repository("ecr.cn-north-1", "flows/etl")) == Repository(
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "flows/etl"
        )
