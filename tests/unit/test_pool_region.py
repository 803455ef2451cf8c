"""The region of a work pool's credentials, and that of the task definitions it is to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import PrefectError
from flowyard.values import Json
from tests.ecs_site import TEMPLATE, ecs_site
from tests.yard_site import Site

BLOCK = "0b0c8f0e-0000-4000-8000-000000000001"


def site(root: Path, default: Json, region: str | None) -> Site:
    """A project on ECS in eu-west-1, whose pool has this default for its credentials."""
    made = ecs_site(root)
    properties = {**TEMPLATE["variables"]["properties"], "aws_credentials": {"default": default}}
    variables = {**TEMPLATE["variables"], "properties": properties}
    made.server.pools["pool"]["base_job_template"] = {**TEMPLATE, "variables": variables}
    made.server.blocks[BLOCK] = {"name": "production", "data": {"region_name": region}}
    return made


def named(block: str = BLOCK) -> Json:
    return {"$ref": {"block_document_id": block}}


def test_credentials_of_another_region_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    made = site(tmp_path, named(), "us-east-1")
    with pytest.raises(PrefectError) as caught:
        made.ship()
    assert (caught.value.message, caught.value.hint) == (
        "work pool pool starts tasks in us-east-1, the region of its block production, but the tasks of target local "
        "are defined in eu-west-1",
        'set ecs.region = "us-east-1" for the target, or the region of the block: a task definition is of one region '
        "(the registry may be in another)",
    )
    assert (made.built(), made.server.deployments, made.definitions.asked) == ([], {}, [])


@pytest.mark.parametrize(
    ("default", "region"),
    [
        (named(), "eu-west-1"),
        (named(), None),  # whatever the worker's machine says
        (named("another"), "us-east-1"),  # it is gone: Prefect's to tell
        (None, "us-east-1"),
        ({"aws_access_key_id": None}, "us-east-1"),
    ],
)
def test_nothing_else_is(tmp_path: Path, default: Json, region: str | None) -> None:
    assert site(tmp_path, default, region).ship()["hello"].error is None


def test_with_nothing_to_do_the_block_is_not_asked_for(tmp_path: Path) -> None:
    made = site(tmp_path, named(), "eu-west-1")
    made.ship()
    made.server.requests.clear()
    made.ship()
    assert [path for _, path, _ in made.server.requests if "block" in path] == []
