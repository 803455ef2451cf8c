"""What ECR does by the lifecycle policy that Flowyard writes, whatever images a repository holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from flowyard.aws.lifecycle import untagged_policy


@dataclass(frozen=True)
class Kept:
    """An image in a repository: its tags, its age in days, and whether a live index names it."""

    tags: tuple[str, ...]
    age: int


def expired(policy: str, images: list[Kept]) -> list[Kept]:
    """What ECR expires by the rules of a policy, as far as Flowyard writes any:
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html"""
    gone = []
    for rule in json.loads(policy)["rules"]:
        selection = rule["selection"]
        assert (selection["countType"], selection["countUnit"]) == ("sinceImagePushed", "days")
        assert rule["action"] == {"type": "expire"}
        chosen = {"untagged": [one for one in images if not one.tags], "any": images}[selection["tagStatus"]]
        gone += [one for one in chosen if one.age > selection["countNumber"]]
    return gone


images = st.lists(st.builds(Kept, st.lists(st.text(), max_size=2).map(tuple), st.integers(0, 5000)))


@settings(max_examples=50, derandomize=True, database=None, deadline=None)
@given(st.integers(1, 3650), images)
def test_what_has_a_tag_is_never_expired_and_the_rest_by_age(days: int, held: list[Kept]) -> None:
    assert expired(untagged_policy(days), held) == [one for one in held if not one.tags and one.age > days]
