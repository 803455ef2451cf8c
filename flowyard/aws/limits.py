"""How long things may be that are sent to ECS, measured before they are sent."""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.aws.task_definition import MOST_BYTES, size_of
from flowyard.values import Json

# "The total amount of characters allowed for overrides is 8192":
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MOST_CHARACTERS = 8192
# What the worker adds of its own: its settings, its API key, ids and names. 714 characters in the tests.
WORKERS_OWN = 4096
# Family, image and the log stream's name, which are not known yet.
_NAMES = 1024


def definition_problem(settings: Mapping[str, Json]) -> str | None:
    """What is wrong with the length of a task definition, of which these are the settings."""
    found = size_of(settings) + _NAMES
    if found <= MOST_BYTES:
        return None
    return f"its task definition has {found} bytes, and ECS takes {MOST_BYTES}; shorten `env`"


def overrides_problem(job_variables: Mapping[str, Json]) -> str | None:
    """What is wrong with the length of what a task is started with."""
    # Nothing else of ours is in the overrides: variables and secrets are in the task definition.
    found = len(str(job_variables.get("command") or ""))
    if found <= MOST_CHARACTERS - WORKERS_OWN:
        return None
    return (
        f"`command` has {found} characters; ECS takes {MOST_CHARACTERS} with what the worker adds, so keep to "
        f"{MOST_CHARACTERS - WORKERS_OWN}"
    )
