"""A run started in the Prefect UI: replays the calls that scripts/capture-ui recorded while it filled in the form.

The form was filled in for etl/daily; the flow here has the same parameters and says which it got, so that the
recorded ones can be seen to arrive.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import urllib3

from flowyard.embedded.state import api_url
from flowyard.pipeline import ship
from flowyard.running.run import Triggered, follow, result_of
from flowyard.wiring import open_results
from tests.integration.yard import RunningYard, running_yard

CALLS = Path(__file__).with_name("ui_calls")
SECONDS = 120
# What the server answers when its SQLite file is locked; a person would press the button again.
LOCKED = urllib3.Retry(total=8, allowed_methods=None, status_forcelist=(503,), backoff_factor=0.1)
TYPED = '''
from enum import StrEnum
from typing import Annotated, Literal

from prefect import flow
from pydantic import Field


class BadRows(StrEnum):
    DROP = "drop"
    FAIL = "fail"


@flow
def typed(
    day: str,
    country: Literal["all", "DE", "ES", "FR", "IT"] = "all",
    bad_rows: BadRows = BadRows.FAIL,
    include_cancelled: bool = False,
    min_quantity: Annotated[int, Field(ge=1)] = 1,
) -> list[str]:
    """Say what came in."""
    return [repr(each) for each in (day, country, bad_rows, include_cancelled, min_quantity)]
'''


@dataclass(frozen=True)
class Ui:
    """Sends to a server what the UI sent."""

    running: RunningYard

    def deployment(self, flow: str) -> Mapping[str, Any]:
        """The only deployment of a flow."""
        wanted = {"flows": {"name": {"any_": [flow]}}}
        (found,) = self.running.api.request("POST", "/deployments/filter", wanted)
        return dict(found)

    def press(
        self, recorded: str, flow: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[int, Any]]:
        """Replay the recorded calls on a flow's deployment, with other parameters if given: what came back."""
        deployment = self.deployment(flow)
        calls = json.loads((CALLS / f"{recorded}.json").read_text())["calls"]
        return [self._send(call, deployment, parameters) for call in calls]

    def ended(self, run: Mapping[str, Any], flow: str) -> Any:
        """Wait for the run; its result as the flow's own image reads it."""
        image = self.deployment(flow)["job_variables"]["image"]
        triggered = Triggered(run["id"], run["name"], flow, image)
        finished = follow(self.running.api, triggered, lambda _: None, SECONDS)
        return result_of(triggered, finished, open_results(self.running.target))

    def runs(self) -> int:
        """How many runs the server knows."""
        return int(self.running.api.request("POST", "/flow_runs/count", {}))

    def _send(
        self, call: Mapping[str, Any], deployment: Mapping[str, Any], parameters: Mapping[str, Any] | None
    ) -> tuple[int, Any]:
        path = call["path"].replace("{deployment_id}", deployment["id"])
        body = _filled(call["body"], deployment)
        for name in ("parameters", "values"):
            if parameters is not None and name in body:
                body[name] = dict(parameters)
        url = f"{api_url(self.running.state)}{path}"
        content = json.dumps(body).encode()
        answer = urllib3.request(
            call["method"], url, body=content, headers=call["headers"], timeout=30, retries=LOCKED
        )
        return answer.status, json.loads(answer.data)


def _filled(value: Any, deployment: Mapping[str, Any]) -> Any:
    """The recorded value with the deployment's own in the place of `{field}`."""
    if isinstance(value, str) and value.startswith("{"):
        return deployment[value.strip("{}")]
    if isinstance(value, dict):
        return {key: _filled(each, deployment) for key, each in value.items()}
    return [_filled(each, deployment) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningYard]:
    with running_yard(tmp_path_factory.mktemp("ui"), ["hello"]) as running:
        yield running


@pytest.fixture(scope="module")
def ui(yard: RunningYard) -> Iterator[Ui]:
    """The UI of a server to which `hello` and, for this module, `typed` are shipped."""
    folder = yard.project.root / "flows" / "typed"
    folder.mkdir()
    (folder / "flow.py").write_text(TYPED)
    running = yard.reopened()
    flows = [flow for flow in running.project.flows if flow.name in ("hello", "typed")]
    assert [outcome.error for outcome in ship(running.yard, flows)] == [None, None]
    yield Ui(running)
    shutil.rmtree(folder)
    running.api.request("DELETE", f"/deployments/{Ui(running).deployment('typed')['id']}")


def containers_of(run: str, since: int) -> list[str]:
    """The images of the containers that ran a flow run, as they were asked for, once the first has ended."""
    wanted = {"label": f"io.prefect.flow-run-id={run}", "event": ["start", "die"]}
    started = []
    with closing(docker.from_env()) as engine:
        for event in engine.events(
            since=since, until=int(time.time()) + SECONDS, filters=wanted, decode=True
        ):
            if event["Action"] == "die":
                break
            started.append(event["Actor"]["Attributes"]["image"])
    return started


def test_a_custom_run_gets_what_was_typed_in_the_flows_own_image(ui: Ui) -> None:
    began = int(time.time())
    validated, (status, run) = ui.press("custom_run", "typed")
    assert validated == (200, {"errors": [], "valid": True})
    assert (status, run.get("name", run)) == (201, "from-the-form")
    parameters = ["'2026-03-02'", "'FR'", "<BadRows.DROP: 'drop'>", "True", "2"]
    assert ui.ended(run, "typed") == {"type": "builtins.list", "json": parameters}
    deployed = ui.deployment("typed")["job_variables"]["image"]
    assert "@sha256:" in deployed
    assert containers_of(run["id"], began) == [deployed]


def test_a_quick_run_takes_the_defaults(ui: Ui) -> None:
    began = int(time.time())
    ((status, run),) = ui.press("quick_run", "hello")
    assert (status, run["parameters"]) == (201, {})
    assert ui.ended(run, "hello") == {"type": "builtins.str", "json": "Hello, world!"}
    assert containers_of(run["id"], began) == [ui.deployment("hello")["job_variables"]["image"]]


@pytest.mark.parametrize(
    ("parameters", "field", "reason"),
    [
        ({"day": 7}, "day", "7 is not of type 'string'"),
        ({"day": "latest", "min_quantity": "many"}, "min_quantity", "'many' is not of type 'integer'"),
        ({"day": "latest", "min_quantity": 0}, "min_quantity", "0 is less than the minimum of 1"),
        (
            {"day": "latest", "include_cancelled": "yes"},
            "include_cancelled",
            "'yes' is not of type 'boolean'",
        ),
        ({"day": "latest", "country": "XX"}, "country", "'XX' is not one of ['all', 'DE', 'ES', 'FR', 'IT']"),
        ({"day": "latest", "bad_rows": "keep"}, "bad_rows", "'keep' is not one of ['drop', 'fail']"),
    ],
)
def test_a_wrong_parameter_starts_no_run(ui: Ui, parameters: dict[str, Any], field: str, reason: str) -> None:
    before = ui.runs()
    shown, answered = ui.press("custom_run", "typed", parameters)
    assert shown == (200, {"errors": [{"property": field, "errors": [reason]}], "valid": False})
    assert answered == (409, refusal(f" for field '{field}'. Failure reason: {reason}"))
    assert ui.runs() == before


@pytest.mark.parametrize("recorded", ["custom_run", "quick_run"])
def test_a_missing_parameter_starts_no_run(ui: Ui, recorded: str) -> None:
    before = ui.runs()
    answered = ui.press(recorded, "typed", {"country": "FR"})[-1]
    assert answered == (409, refusal(". Failure reason: 'day' is a required property"))
    assert ui.runs() == before


def refusal(why: str) -> dict[str, str]:
    """What the server answers when parameters do not fit the registered schema."""
    return {"detail": f"Error creating flow run: Validation failed{why}"}
