"""What a flow was shipped with: for each Docker task, deployments that are never changed again.

The ship writes them into the caller's environment, so that a run of it calls exactly these, whatever was
deployed since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flowyard.runtime.names import DEFAULT_DEPLOYMENT, PINS_ENV
from flowyard.runtime.tasks.errors import BadSetting, NotPinned


@dataclass(frozen=True)
class Pin:
    """One deployment of a Docker task that the caller was shipped with: its id in Prefect, and its image."""

    task: str
    deployment: str
    id: str
    image: str


def read(environ: Mapping[str, str]) -> Mapping[str, Mapping[str, Pin]]:
    """The pins of this environment by task and deployment; none where nothing was shipped with any.

    Raises BadSetting for what no ship has written.
    """
    text = environ.get(PINS_ENV) or "{}"
    try:
        return {
            task: {name: Pin(task, name, one["id"], one["image"]) for name, one in deployments.items()}
            for task, deployments in json.loads(text).items()
        }
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadSetting(
            f"{PINS_ENV} is {text[:80]!r}, which is not what a ship writes there "
            f"({type(error).__name__}: {error}): ship this flow again, and leave the variable alone"
        ) from error


def choose(pins: Mapping[str, Mapping[str, Pin]], task: str, deployment: str | None) -> Pin:
    """The pin to call: the named deployment, else `default`, else the only one. Raises NotPinned."""
    known = pins.get(task)
    if not known:
        names = ", ".join(sorted(pins)) or "none"
        raise NotPinned(
            f"this flow was not shipped with a Docker task {task!r} (shipped with: {names}); "
            "name it as a literal in docker_task(...) or in flow.toml, and ship",
            task=task,
        )
    if deployment is None:
        if DEFAULT_DEPLOYMENT not in known and len(known) > 1:
            names = ", ".join(sorted(known))
            raise NotPinned(
                f"Docker task {task!r} has the deployments {names} and none called {DEFAULT_DEPLOYMENT!r}: "
                f"say which with docker_task({task!r}).with_options(deployment=...)",
                task=task,
            )
        return known.get(DEFAULT_DEPLOYMENT) or next(iter(known.values()))
    if deployment not in known:
        names = ", ".join(sorted(known))
        raise NotPinned(f"Docker task {task!r} has no deployment {deployment!r}; it has: {names}", task=task)
    return known[deployment]
