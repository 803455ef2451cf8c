"""The lifecycle policy of repositories that are made: it expires what has no tag, and nothing else.

So it can never take an image that a deployment runs: that one has its content key as tag, which does not move.
The images that an index names have no tag, and ECR does not expire them as long as their index is there:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

import json

_OURS = "Flowyard: images without a tag"


def untagged_policy(days: int) -> str:
    """The policy that expires images without a tag so many days after they were pushed."""
    rule = {
        "rulePriority": 1,
        "description": _OURS,
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def untagged_days(text: str) -> int | None:
    """The number of days where a policy is one of these. With a rule more it is somebody else's: None."""
    try:
        document = json.loads(text)
        days = document["rules"][0]["selection"]["countNumber"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    ours = type(days) is int and document == json.loads(untagged_policy(days))
    return days if ours else None
