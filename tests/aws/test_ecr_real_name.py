"""ECR by its real host name: the second mode of the stand-in. What other modules ask of it is asked here once more.

TLS on port 443, an authority that the engine trusts for these hosts alone, and addresses as AWS answers them. One
module for all of it: a machine has one port 443.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.errors import RegistryError
from flowyard.images import ImageReference, Repository
from flowyard.plan import Action
from flowyard.render import DESCRIPTION
from tests.aws.accounts import held_by_ecr, pushed, registry
from tests.aws.api import AwsApi
from tests.aws.calls import ACCOUNT
from tests.aws.ecr_site import ecr_site
from tests.aws.real_names import UNTRUSTED, RealNames, hindrance, names_of, real_names
from tests.aws.registry_front import RegistryFront
from tests.aws.site_stand_in import shipped_project
from tests.aws.test_ecr import (
    ETL,
    ONE,
    TestImages,
    TestLifecycle,
    TestMade,
    TestOtherAccounts,
    TestPermissions,
)
from tests.aws.test_ecr_pushes import (
    TestTagsThatDoNotMove,
    TestTheUsersDocker,
    test_a_layer_that_flows_share_is_uploaded_once_where_the_account_allows_it,
    test_a_push_to_a_plain_registry_survives_the_same,
)
from tests.aws.test_registry_front import (
    pushed_by_docker,
    test_a_broken_connection_broke_before_or_after,
    test_a_deleted_image_is_not_found,
    test_a_layer_is_mounted_where_the_account_allows_it,
    test_a_repository_made_again_is_empty,
    test_a_tag_that_moves_leaves_its_image,
    test_a_throttled_push_is_told_so,
    test_docker_is_refused_in_ecrs_words,
    test_the_api_knows_what_docker_pushed,
    test_the_images_of_an_index_have_no_tag_and_it_has,
)
from tests.integration.registry_contract import RegistryContract
from tests.integration.registry_held import QUICK, Held

pytest_plugins = ("tests.aws.fixtures",)

__all__ = [
    "TestImages",
    "TestLifecycle",
    "TestMade",
    "TestOtherAccounts",
    "TestPermissions",
    "TestTagsThatDoNotMove",
    "TestTheUsersDocker",
    "test_a_broken_connection_broke_before_or_after",
    "test_a_deleted_image_is_not_found",
    "test_a_layer_is_mounted_where_the_account_allows_it",
    "test_a_layer_that_flows_share_is_uploaded_once_where_the_account_allows_it",
    "test_a_push_to_a_plain_registry_survives_the_same",
    "test_a_repository_made_again_is_empty",
    "test_a_tag_that_moves_leaves_its_image",
    "test_a_throttled_push_is_told_so",
    "test_docker_is_refused_in_ecrs_words",
    "test_the_api_knows_what_docker_pushed",
    "test_the_images_of_an_index_have_no_tag_and_it_has",
]

NAME = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.fixture(scope="module")
def names(aws_api: AwsApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNames]:
    if why := hindrance():
        pytest.skip(f"ECR by its real host name: {why}")
    with real_names(aws_api, tmp_path_factory.mktemp("names")) as made:
        yield made


@pytest.fixture
def front(names: RealNames, in_aws: AwsApi) -> RegistryFront:
    """In the place of the registry on loopback."""
    names.reset()
    return names.mine


@pytest.fixture
def other(front: RegistryFront, names: RealNames) -> RegistryFront:
    return names.other


@pytest.fixture
def held(front: RegistryFront) -> Iterator[Held]:
    with held_by_ecr() as ecr:
        yield ecr


class TestContract(RegistryContract):
    """What the pipeline relies on."""


def test_the_name_is_the_one_that_aws_answers(front: RegistryFront) -> None:
    ecr = registry()
    assert (ecr.home(), ecr.ready(ETL), names_of(ACCOUNT)[0]) == (NAME, Repository(NAME, "flows/etl"), NAME)
    login = registry().credentials(NAME)  # of a process that has asked nothing yet
    assert (login and login.username, registry().credentials(NAME.replace("eu-", "us-"))) == ("AWS", None)


class TestTls:
    """Who does not trust the authority sends nothing, and nobody is answered without TLS."""

    STRANGER = ImageReference(Repository(UNTRUSTED, "flows/etl"), "one")

    def test_the_engine_refuses_a_name_without_its_authority(
        self, front: RegistryFront, names: RealNames, tmp_path: Path
    ) -> None:
        token, _ = front.api.ecr.tokens.issue()
        said = pushed_by_docker(replace(front, host=UNTRUSTED), tmp_path, "flows/etl:one", token)
        assert "certificate signed by unknown authority" in said
        assert (front.requests, names.server.refused != []) == ([], True)

    def test_so_do_we(self, front: RegistryFront) -> None:
        with OciRegistry(QUICK) as registry, pytest.raises(RegistryError) as caught:
            registry.find(self.STRANGER)
        assert f"the certificate of {UNTRUSTED} was not accepted" in caught.value.message
        assert f"/etc/docker/certs.d/{UNTRUSTED}/ca.crt" in caught.value.hint
        assert front.requests == []

    def test_there_is_no_other_way_in(self, front: RegistryFront, names: RealNames) -> None:
        assert socket.gethostbyname(NAME) == names.address
        assert not names.address.startswith("127.")
        with socket.socket() as plain:
            assert plain.connect_ex((names.address, 80)) != 0


def test_an_image_that_the_engine_never_had_is_pulled_by_digest(
    front: RegistryFront, engine: docker.DockerClient
) -> None:
    digest = pushed(registry(), ONE, [{"a": b"1" * 1000, "of": front.host.encode()}])
    token, _ = front.api.ecr.tokens.issue()
    front.requests.clear()
    login = {"username": "AWS", "password": token}
    pulled = engine.images.pull(f"{NAME}/flows/etl", tag=str(digest), auth_config=login)
    assert pulled.attrs["RepoDigests"] == [f"{NAME}/flows/etl@{digest}"]
    asked = [(one.kind, one.name) for one in front.requests if one.kind.startswith("manifest")]
    assert ("manifest.get", str(digest)) in asked
    assert sum(one.kind == "blob.get" for one in front.requests) == 2
    assert {one.headers["host"] for one in front.requests} == {NAME}


@pytest.mark.parametrize(
    ("settings", "variables", "api", "host"),
    [
        ("dual-stack = true", ("DUALSTACK",), "ecr.eu-west-1.api.aws", f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws"),
        (
            "dual-stack = true, fips = true",
            ("DUALSTACK", "FIPS"),
            "ecr-fips.eu-west-1.api.aws",
            f"{ACCOUNT}.dkr-ecr-fips.eu-west-1.on.aws",
        ),
        (
            "fips = true",
            ("FIPS",),
            "api.ecr-fips.eu-west-1.amazonaws.com",
            f"{ACCOUNT}.dkr.ecr-fips.eu-west-1.amazonaws.com",
        ),
    ],
    ids=["dual stack", "both", "fips"],
)
def test_a_ship_goes_to_the_endpoint_that_is_asked_for(
    front: RegistryFront,
    names: RealNames,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    variables: tuple[str, ...],
    api: str,
    host: str,
) -> None:
    """API and registry, without any address of ours: by the variables of AWS's libraries, and by registry.toml. The
    API answers the host of IPv4 whatever is asked."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(names.authority))
    for variable in variables:
        monkeypatch.setenv(f"AWS_USE_{variable}_ENDPOINT", "true")
    site = ecr_site(tmp_path, "etl", settings=f", {settings}", edition=uuid.uuid4().hex)
    outcome = site.ship()["etl"]
    assert (outcome.error, set(names.door.asked)) == (None, {api})
    assert {one.headers["host"] for one in front.requests} == {host}
    assert {one.agent for one in front.requests} >= {"docker", "flowyard"}
    assert site.labels() == {"etl": f"{host}/flows/etl@{outcome.image and outcome.image.digest}"}
    assert site.actions() == {"etl": Action.UNCHANGED}


# Of the image that was shipped, and no other: its description is read, and its flow's name is the exit code's reason.
LOOK = f"import json; exit(7 if json.load(open('/{DESCRIPTION}'))['flows'][0]['name'] == 'etl' else 1)"


def test_a_flow_is_shipped_to_the_name_and_runs_from_it(
    names: RealNames, engine: docker.DockerClient, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The program as users start it, and the task definition that it registered: ECS pulls by digest, with a token."""
    prefect = request.getfixturevalue("prefect_api")  # is not started where there are no names
    with shipped_project(names.mine, engine, prefect, tmp_path) as made:
        flow, shipped = made.done.stdout.split()
        repository, _, digest = shipped.partition("@")
        assert (flow, repository) == ("etl", f"{NAME}/flows/etl")
        ecs, ecr = (made.account.api.client(service) for service in ("ecs", "ecr"))
        details = ecr.describe_images(repositoryName="flows/etl")["imageDetails"]
        assert [one["imageDigest"] for one in details if one.get("imageTags")] == [digest]
        arns = ecs.list_task_definitions()["taskDefinitionArns"]
        found = ecs.describe_task_definition(taskDefinition=arns[0])["taskDefinition"]
        assert [one["image"] for one in found["containerDefinitions"]] == [shipped]
        names.mine.requests.clear()
        command = {"containerOverrides": [{"name": "prefect", "command": ["python", "-c", LOOK]}]}
        task = made.account.until(made.account.run(arns[0], overrides=command), "STOPPED")
        (container,) = task["containers"]
        assert (container["exitCode"], container["imageDigest"]) == (7, digest), task
        pulled = {(one.agent, one.name) for one in names.mine.requests if one.kind == "manifest.get"}
        assert ("docker", digest) in pulled
        assert {one.headers["host"] for one in names.mine.requests} == {NAME}
