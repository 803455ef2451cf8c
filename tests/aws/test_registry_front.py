"""ECR's manners before the registry: what real clients are told, and that the API knows what they pushed."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest
from botocore.exceptions import ClientError

from flowyard.adapters.oci_address import api_url
from flowyard.images import Repository
from tests.aws.faults import Cut
from tests.aws.registry_front import RegistryFront
from tests.integration.images import INDEX, Pusher, digest_of, image, index, open_pool

pytest_plugins = ("tests.aws.fixtures",)


def made(front: RegistryFront, path: str = "flows/etl", **settings: Any) -> Repository:
    """A repository that was made with these settings."""
    front.api.client("ecr").create_repository(repositoryName=path, **settings)
    return Repository(front.host, path)


def authorization(front: RegistryFront) -> str:
    """What a program sends that has a new token."""
    token, _ = front.api.ecr.tokens.issue()
    return f"Basic {base64.b64encode(f'AWS:{token}'.encode()).decode()}"


def pusher(front: RegistryFront) -> Pusher:
    """Pushes with a new token."""
    return Pusher(authorization(front))


def pushed_by_docker(front: RegistryFront, tmp_path: Path, name: str, password: str = "") -> str:
    """What `docker push` says of a new image of a few bytes; with the token as password, or none."""
    auth = base64.b64encode(f"AWS:{password}".encode()).decode()
    folder = tmp_path / "docker"
    folder.mkdir(exist_ok=True)
    auths = {"auths": {front.host: {"auth": auth}}} if password else {}
    (folder / "config.json").write_text(json.dumps(auths))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile content /\n")
    (tmp_path / "content").write_text(str(tmp_path))
    image = f"{front.host}/{name}"
    subprocess.run(["docker", "build", "--quiet", "--tag", image, tmp_path], check=True)
    done = subprocess.run(
        ["docker", "--config", folder, "push", image], capture_output=True, text=True, check=False
    )
    subprocess.run(
        ["docker", "image", "rm", image], check=True, capture_output=True
    )  # the next takes its name
    return done.stdout + done.stderr


def test_the_api_knows_what_docker_pushed(front: RegistryFront, tmp_path: Path) -> None:
    made(front)
    token, _ = front.api.ecr.tokens.issue()
    said = pushed_by_docker(front, tmp_path, "flows/etl:one", token)
    (found,) = front.api.client("ecr").describe_images(repositoryName="flows/etl")["imageDetails"]
    assert found["imageTags"] == ["one"]
    assert f"one: digest: {found['imageDigest']}" in said
    got = front.api.client("ecr").batch_get_image(repositoryName="flows/etl", imageIds=[{"imageTag": "one"}])
    assert str(digest_of(got["images"][0]["imageManifest"].encode())) == found["imageDigest"]


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("flows/etl:one", "", "no basic auth credentials"),
        (
            "flows/etl:one",
            "expired",
            "denied: Your authorization token has expired. Reauthenticate and try again.",
        ),
        (
            "flows/nope:one",
            "valid",
            "name unknown: The repository with name 'flows/nope' does not exist in the registry with id "
            "'123456789012'",
        ),
        (
            "flows/etl:held",
            "valid",
            "tag invalid: The image tag 'held' already exists in the 'flows/etl' repository and cannot be "
            "overwritten because the tag is immutable.",
        ),
    ],
)
def test_docker_is_refused_in_ecrs_words(
    front: RegistryFront, tmp_path: Path, name: str, state: str, words: str
) -> None:
    held = made(front, imageTagMutability="IMMUTABLE")
    pusher(front).push(held, "held", image([{"a": b"1"}]))
    token = front.api.ecr.tokens.issue()[0] if state else ""
    if state == "expired":
        front.api.ecr.tokens.expire()
    assert words in pushed_by_docker(front, tmp_path, name, token)


def test_a_throttled_push_is_told_so(front: RegistryFront, tmp_path: Path) -> None:
    made(front)
    fault = front.fail("manifest.put", 429, agent="docker")
    said = pushed_by_docker(front, tmp_path, "flows/etl:one", front.api.ecr.tokens.issue()[0])
    assert ("toomanyrequests: Rate exceeded" in said, fault.happened) == (True, 1)


def test_the_images_of_an_index_have_no_tag_and_it_has(front: RegistryFront) -> None:
    repository = made(front)
    ours, attestation = image([{"a": b"1"}]), image([{"b": b"1"}])
    push = pusher(front)
    for each in (ours, attestation):
        push.push(repository, str(each.digest), each)
    push.manifest(repository, "one", index({"linux/amd64": ours}, attestation), INDEX)
    details = front.api.client("ecr").describe_images(repositoryName="flows/etl")["imageDetails"]
    assert [one.get("imageTags") for one in details] == [None, None, ["one"]]


def test_a_tag_that_moves_leaves_its_image(front: RegistryFront) -> None:
    repository = made(front)
    for content in (b"1", b"2"):
        pusher(front).push(repository, "one", image([{"a": content}]))
    details = front.api.client("ecr").describe_images(repositoryName="flows/etl")["imageDetails"]
    assert [one.get("imageTags") for one in details] == [None, ["one"]]


def test_a_deleted_image_is_not_found(front: RegistryFront) -> None:
    repository = made(front)
    pusher(front).push(repository, "one", image([{"a": b"1"}]))
    front.api.client("ecr").batch_delete_image(repositoryName="flows/etl", imageIds=[{"imageTag": "one"}])
    url = f"{api_url(repository)}/manifests/one"
    answer = open_pool(front.host).request("GET", url, headers={"Authorization": authorization(front)})
    assert (answer.status, answer.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")


def test_a_repository_made_again_is_empty(front: RegistryFront) -> None:
    pusher(front).push(made(front), "one", image([{"a": b"1"}]))
    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        front.api.client("ecr").delete_repository(repositoryName="flows/etl")
    front.api.client("ecr").delete_repository(repositoryName="flows/etl", force=True)
    made(front)
    assert front.image("flows/etl", "one") is None


@pytest.mark.parametrize(("mounting", "times"), [(True, 1), (False, 2)])
def test_a_layer_is_mounted_where_the_account_allows_it(
    front: RegistryFront, engine: docker.DockerClient, tmp_path: Path, mounting: bool, times: int
) -> None:
    front.mounting = mounting
    token, _ = front.api.ecr.tokens.issue()
    for path in ("flows/a", "flows/b"):
        made(front, path)
        pushed_by_docker(front, tmp_path, f"{path}:one", token)
        assert front.image(path, "one") is not None
    started = [one.repository for one in front.requests if one.kind == "upload.put"]
    configs = 2  # each image's configuration, which docker never mounts
    assert len(started) - configs == times


@pytest.mark.parametrize("fault", [Cut.DROPPED, Cut.LOST])
def test_a_broken_connection_broke_before_or_after(front: RegistryFront, tmp_path: Path, fault: Cut) -> None:
    made(front)
    front.fail("manifest.put", fault)
    said = pushed_by_docker(front, tmp_path, "flows/etl:one", front.api.ecr.tokens.issue()[0])
    assert ("EOF" in said, front.image("flows/etl", "one") is not None) == (True, fault is Cut.LOST)
