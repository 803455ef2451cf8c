"""Pins are removed when nothing names them any more, and never before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flowyard.registering.pruning import KEPT_RELEASES
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.runtime.names import PINS_ENV
from flowyard.values import Json
from tests.support import FLOW, REGISTRY, lock, make_project, write_files
from tests.yard_site import Site

CALLER = "from flowyard import docker_task\n\nhello = docker_task('hello')\n" + FLOW.replace(
    "hello", "caller"
)
LATER = "2100-01-01T00:00:00+00:00"
EARLIER = "2000-01-01T00:00:00+00:00"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A flow that calls, and the flow that it calls: shipped once."""
    files = {"registry.toml": f'{REGISTRY}results = "volume:r"\n', "flows/caller/flow.py": CALLER}
    root = make_project(tmp_path / "project", files)
    lock(root)
    made = Site(root)
    assert [one.error for one in made.ship().values()] == [None, None]
    return made


def release(site: Site, number: int) -> None:
    """Change the flow that is called, and ship both."""
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = {number}\n"})
    outcomes = site.ship()
    assert {name: (one.error, one.notes) for name, one in outcomes.items()} == dict.fromkeys(
        outcomes, (None, ())
    )


def pins(site: Site) -> dict[str, str]:
    """The ids of the pins by name, in the order in which they were made."""
    return {
        row["name"]: row["id"] for row in site.server.deployments.values() if row["name"].startswith("pin-")
    }


def deployment(site: Site, name: str) -> dict[str, Json]:
    return site.server.by_name()[name]


def forget(site: Site) -> None:
    """Delete the records of what calls: all but those of the next ship."""
    key = artifact_key("acme", "local", "caller")
    site.server.artifacts = [one for one in site.server.artifacts if one["key"] != key]


def test_what_a_kept_release_called_stays(site: Site) -> None:
    release(site, 1)
    assert len(pins(site)) == 2


def test_what_nothing_names_is_removed(site: Site) -> None:
    first = pins(site)
    forget(site)
    release(site, 1)
    (left,) = pins(site)
    assert left not in first
    assert pins(site)[left] in deployment(site, "caller/default")["job_variables"]["env"][PINS_ENV]
    assert all(limit["active_slots"] == 0 for limit in site.server.limits.values())


def test_only_so_much_history_is_kept(site: Site) -> None:
    for number in range(KEPT_RELEASES + 1):
        release(site, number)
    assert len(pins(site)) == KEPT_RELEASES


def test_the_called_flow_shipped_alone_removes_nothing(site: Site) -> None:
    before = pins(site)
    forget(site)
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = 1\n"})
    assert site.ship("hello")["hello"].error is None
    assert pins(site) == before


def test_what_a_copy_of_a_deployment_names_stays(site: Site) -> None:
    row = deployment(site, "caller/default")
    copy = {**json.loads(json.dumps(row)), "id": "copied", "name": "of-somebody", "tags": [], "labels": {}}
    site.server.deployments["copied"] = copy
    forget(site)
    release(site, 1)
    assert len(pins(site)) == 2


def test_what_a_removed_flow_called_is_removed(site: Site) -> None:
    shutil.rmtree(site.root / "flows/caller")
    outcome = site.ship()["caller"]
    assert (outcome.error, outcome.notes, pins(site)) == (None, (), {})


@pytest.mark.parametrize("deployment_id", ["as it was", None])
@pytest.mark.parametrize(("state", "left"), [("RUNNING", 1), ("COMPLETED", 0)])
def test_what_a_run_of_a_removed_flow_may_still_call_stays(
    site: Site, state: str, left: int, deployment_id: str | None
) -> None:
    """It was removed from under the run: only by the project's tag is the run known as ours."""
    row = deployment(site, "caller/default")
    gone = row["id"] if deployment_id else None
    run = {"deployment_id": gone, "tags": [*row["tags"], "x"], "start_time": EARLIER, "state_name": ""}
    site.server.runs.append({**run, "state_type": state})
    shutil.rmtree(site.root / "flows/caller")
    outcome = site.ship()["caller"]
    assert (outcome.error, outcome.notes, len(pins(site))) == (None, (), left)


def test_a_run_of_another_project_keeps_nothing(site: Site) -> None:
    run = {"deployment_id": "gone", "tags": ["flowyard:other"], "start_time": EARLIER, "state_name": ""}
    site.server.runs.append({**run, "state_type": "RUNNING"})
    shutil.rmtree(site.root / "flows/caller")
    site.ship()
    assert pins(site) == {}


def test_what_is_called_no_more_is_removed_once_no_kept_release_called_it(site: Site) -> None:
    write_files(site.root, {"flows/caller/flow.py": FLOW.replace("hello", "caller")})
    site.ship()
    assert len(pins(site)) == 1
    write_files(site.root, {"flows/caller/flow.py": CALLER})
    site.ship()
    forget(site)
    write_files(site.root, {"flows/caller/flow.py": FLOW.replace("hello", "caller")})
    site.ship()
    assert pins(site) == {}


def pin_runs(site: Site) -> dict[str, Json]:
    return {"deployment_id": next(iter(pins(site).values())), "start_time": EARLIER, "state_type": "RUNNING"}


def caller_runs(site: Site) -> dict[str, Json]:
    return {
        "deployment_id": deployment(site, "caller/default")["id"],
        "start_time": EARLIER,
        "state_type": "RUNNING",
    }


def caller_waits(site: Site) -> dict[str, Json]:
    return {**caller_runs(site), "state_type": "SCHEDULED", "state_name": "AwaitingRetry"}


def caller_begins(site: Site) -> dict[str, Json]:
    return {**caller_runs(site), "start_time": None, "state_type": "PENDING"}


def caller_began_since(site: Site) -> dict[str, Json]:
    return {**caller_runs(site), "start_time": LATER}


def caller_ended(site: Site) -> dict[str, Json]:
    return {**caller_runs(site), "state_type": "COMPLETED"}


def caller_is_scheduled(site: Site) -> dict[str, Json]:
    return {**caller_runs(site), "start_time": None, "state_type": "SCHEDULED", "state_name": "Scheduled"}


@pytest.mark.parametrize(
    ("run", "left"),
    [
        (pin_runs, 2),
        (caller_runs, 2),
        (caller_waits, 2),
        (caller_begins, 2),
        (caller_began_since, 1),
        (caller_ended, 1),
        (caller_is_scheduled, 1),
    ],
)
def test_what_a_run_may_still_call_stays(
    site: Site, run: Callable[[Site], dict[str, Json]], left: int
) -> None:
    site.server.runs.append({"state_name": "", **run(site)})
    forget(site)
    release(site, 1)
    assert len(pins(site)) == left


def test_a_refusal_is_noted_and_the_flow_is_shipped(site: Site) -> None:
    forget(site)
    site.server.refuse = lambda method, path, body: "busy" if path == "/flow_runs/filter" else None
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = 1\n"})
    outcomes = site.ship()
    assert [one.error for one in outcomes.values()] == [None, None]
    assert [note for one in outcomes.values() for note in one.notes] == [
        "pins of Docker tasks that nothing needs were not removed: busy"
    ]
    assert len(pins(site)) == 2
