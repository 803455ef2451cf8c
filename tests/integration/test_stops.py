"""Ships that are stopped between two steps, by Ctrl-C, SIGTERM and SIGKILL: the next ship converges.

The program itself runs against the real Prefect server and container registry; a proxy in front of the
server sends the signal. What came of it is read from the server's own API.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowyard.embedded.state import api_url
from flowyard.plan import Action
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.state_folder import LEASES, STATE_FOLDER
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.stopping_proxy import Boundary, StoppingProxy, stopping_proxy
from tests.integration.test_pipeline_order import commit, git
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

FLOW = "stop_flow"
TAKE, GIVE = (f"POST /v2/concurrency_limits/{how}-with-lease" for how in ("increment", "decrement"))
PLAN, WRITE, READ = "POST /deployments/filter", "POST /deployments/", "GET /deployments/.*"
BOUNDARIES = (
    Boundary("nothing was asked yet", "before", PLAN),
    Boundary("what is deployed was read", "after", PLAN),
    Boundary("the lease is asked for", "before", TAKE),
    Boundary("the lease was taken", "after", TAKE),
    Boundary("the lease was checked", "after", "POST /v2/concurrency_limits/filter"),
    Boundary("it was planned again", "after", PLAN, 2),
    Boundary("the work pool was read", "after", "GET /work_pools/.*"),
    Boundary("the first deployment was looked up", "after", PLAN, 3),
    Boundary("both deployments were looked up", "after", PLAN, 4),
    Boundary("the first deployment is written", "before", WRITE),
    Boundary("the first deployment was written", "after", WRITE),
    Boundary("the first deployment was read back", "after", READ),
    Boundary("the second deployment is written", "before", WRITE, 2),
    Boundary("the second deployment was written", "after", WRITE, 2),
    Boundary("the second deployment was read back", "after", READ, 2),
    Boundary("the old deployment was deleted", "after", "DELETE /deployments/.*"),
    Boundary("the record is kept", "before", "POST /artifacts/"),
    Boundary("the record was kept", "after", "POST /artifacts/"),
    Boundary("the lease of the head was taken", "after", TAKE, 2),
    Boundary("the head is moved", "before", "PATCH /artifacts/.*"),
    Boundary("the head was moved", "after", "PATCH /artifacts/.*"),
    Boundary("the lease of the head was given back", "after", GIVE),
    Boundary("the lease is given back", "before", GIVE, 2),
    Boundary("the lease was given back", "after", GIVE, 2),
)
EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
# Killed between the server's answer and the note of it: only the lease's end frees it, which is moved here.
UNKNOWN_HOLDER = {"the lease was taken", "the lease of the head was taken"}


@dataclass
class Stopped:
    """One project, shipped forward commit by commit through the proxy."""

    project: SmallProject
    proxy: StoppingProxy
    edition: int = 0

    def change(self) -> str:
        """Commit new settings: one deployment changes, one is new and one goes. The commit."""
        self.edition += 1
        settings = f"[deployments.daily]\nparameters = {{ times = {self.edition} }}\n"
        self.project.settings(FLOW, f"{settings}[deployments.extra-{self.edition}]\n")
        return commit(self.project)

    def raw(self, path: str, body: Any = None) -> Any:
        """What the server itself answers, not through the proxy."""
        return self.project.api.request("POST" if body is not None else "GET", path, body)

    def state(self, sha: str) -> dict[str, Any]:
        """Deployments, records of this commit, head, and slots taken: without ids and times.

        A ship that was killed after it had kept its record is recorded once more by the next, with the same words.
        """
        deployments = self.project.deployments()
        live = {name: _timeless(item) for name, item in deployments.items()}
        marks = deployments[f"{FLOW}/daily"]["labels"]
        key = artifact_key(self.project.name, "local", FLOW)
        records = self.raw(
            "/artifacts/filter", {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
        )
        ours = [_inputless(one["data"]) for one in records if sha in one["data"]]
        ours = [one for number, one in enumerate(ours) if one not in ours[:number]]
        (head,) = self.raw(
            "/artifacts/filter", {"artifacts": {"key": {"any_": [artifact_key(self.project.name, "local")]}}}
        )
        text = json.dumps(
            {"live": live, "newest": _inputless(records[0]["data"]), "records": ours, "head": head["data"]},
            sort_keys=True,
        )
        for found, name in (
            (sha, "SHA"),
            (marks["flowyard.spec"], "SPEC"),
            (f"extra-{self.edition}", "EXTRA"),
        ):
            text = text.replace(found, name)
        found_state: dict[str, Any] = json.loads(text.replace(f'"times": {self.edition}', '"times": 0'))
        return {**found_state, "slots": self.slots()}

    def slots(self) -> dict[str, int]:
        """The slots of the project's limits that are taken."""
        limits = self.raw("/v2/concurrency_limits/filter", {"limit": 200})
        prefix = f"flowyard:{self.project.name}:"
        return {one["name"]: one["active_slots"] for one in limits if one["name"].startswith(prefix)}

    def expire(self) -> None:
        """Move the end of the leases that are held to now, instead of waiting for it."""
        folder = self.project.running.project.root / STATE_FOLDER / "prefect/concurrency_leases"
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        index = folder / "expirations.json"
        ends = dict.fromkeys(json.loads(index.read_text()), past)
        for lease in ends:
            file = folder / f"{lease}.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), "expiration": past}))
        index.write_text(json.dumps(ends))


def _inputless(record: str) -> list[dict[str, Any]]:
    """A record's rows; of inputs, whose hashes differ from change to change, the names."""
    rows = json.loads(record)
    return [{"field": row["field"]} if row["field"].startswith("input ") else row for row in rows]


def _timeless(deployment: dict[str, Any]) -> dict[str, Any]:
    own = {"id", "created", "updated", "last_polled", "status", "created_by", "updated_by", "flow_id"}
    kept = {name: value for name, value in deployment.items() if name not in own}
    labels = {name: value for name, value in kept["labels"].items() if name != "flowyard.state"}
    return {**kept, "labels": labels}


@pytest.fixture(scope="module")
def stopped(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """A project in git whose image is built, shipped through the proxy."""
    project = SmallProject(tmp_path_factory.mktemp("stops") / "project", "test-stops", session_yard)
    fill(project)
    prefect = session_yard.state.prefect
    assert prefect is not None
    with stopping_proxy(api_url(session_yard.state)) as proxy:
        project.registry('order = "git"', prefect=f'{{ api = "{proxy.url}" }}')
        project.write(".gitignore", ".flowyard/\nregistry.local.toml\n")
        project.flow(FLOW)
        git(project, "init", "--quiet", "--initial-branch", "main")
        yield Stopped(project, proxy)
    for deployment in project.deployments().values():
        project.api.request("DELETE", f"/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def undisturbed(stopped: Stopped) -> dict[str, Any]:
    """The state after a change was shipped that nothing disturbed."""
    for action in ("build", "register"):
        sha = stopped.change()
        (outcome,) = stopped.project.ship().values()
        assert (outcome.plan.action.value, str(outcome.error)) == (action, "None")
    state = stopped.state(sha)
    assert len(state["records"]) == 1
    assert set(state["slots"].values()) == {0}
    assert sorted(state["live"]) == [f"{FLOW}/EXTRA", f"{FLOW}/daily"]
    return state


@pytest.mark.parametrize("number", list(EXIT), ids=lambda number: number.name)
@pytest.mark.parametrize("boundary", BOUNDARIES, ids=lambda boundary: boundary.name.replace(" ", "-"))
def test_the_next_ship_converges(
    stopped: Stopped, undisturbed: dict[str, Any], boundary: Boundary, number: signal.Signals
) -> None:
    project, proxy = stopped.project, stopped.proxy
    sha = stopped.change()
    proxy.arm(boundary, number)
    ship = project.program_in_background("ship", env={"PYTHONFAULTHANDLER": "1"})
    proxy.aim(ship.pid)
    try:
        printed, said = ship.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        ship.send_signal(signal.SIGABRT)  # it holds the project's lease, and says where it stands
        printed, said = ship.communicate()
    proxy.disarm()
    assert proxy.stopped.is_set(), (proxy.seen, said)
    assert ship.returncode == EXIT[number], (printed, said)
    if number is not signal.SIGKILL:
        assert said.splitlines()[-1] == "interrupted"
        assert any(line.startswith("target local: ") for line in said.splitlines())
        assert set(stopped.slots().values()) == {0}, said
    elif boundary.name in UNKNOWN_HOLDER:
        stopped.expire()
    assert {str(one.error) for one in project.ship().values()} == {"None"}
    assert stopped.state(sha) == undisturbed
    assert {action for action, _ in project.plan().values()} == {Action.UNCHANGED.value}
    assert list((project.root / STATE_FOLDER / LEASES).rglob("*-*")) == []
