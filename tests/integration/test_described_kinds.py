"""Every kind of flow in one real image: what the image says of it, and what reaches it when it is run.

The descriptions are those that the image's own check wrote and the pipeline read back from the container
registry; the runs are made of the registered deployments, so Prefect's server judges the parameters by the
registered schema, and the image's runtime part brings them to the flow.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from flowyard.embedded.state import api_url
from flowyard.errors import Unreachable
from flowyard.values import Json
from tests.golden_files import GOLDEN, compare
from tests.integration.described_kinds import KINDS
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.yard import ROOT, RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

CASES = GOLDEN / "descriptions"
DRIVER = ROOT / "tests/integration/call_flows.py"
# What Prefect's own schema of a flow lacks, by kind and parameter: it overwrites titles and descriptions of
# `Annotated`, and says nothing of types without a JSON Schema.
DIFFERENCES = {
    "annotated": {"share": {"description": "From 0 to 100."}, "named": {"title": "How many"}},
    "documented": {"limit": {"description": "From the annotation."}},
    "by_reference": {
        "frame": {"x-flowyard-type": "by_reference.Frame"},
        "frames": {"x-flowyard-type": "list[by_reference.Frame]"},
        "table": {"x-flowyard-type": "by_reference.Table"},
        "client": {"x-flowyard-type": "httpx.Client"},
        "either": {"x-flowyard-type": "int | by_reference.Frame"},
        "function": {"x-flowyard-type": "collections.abc.Callable[[int], int]"},
    },
}


@dataclass(frozen=True)
class Shipped:
    """The image of all kinds: what it says of itself, and what happened to the runs, by kind."""

    image: str
    described: Mapping[str, dict[str, Json]]
    received: Mapping[str, dict[str, Json]]
    registered: Mapping[str, Json]
    prefect: Mapping[str, Json]


@pytest.fixture(scope="module")
def project(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallProject]:
    made = SmallProject(
        tmp_path_factory.mktemp("kinds") / "project", f"test-{uuid.uuid4().hex[:12]}", session_yard
    )
    fill(made)
    yield made
    for deployment in made.deployments().values():
        made.api.request("DELETE", f"/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def shipped(project: SmallProject) -> Shipped:
    shutil.copytree(CASES / "flows", project.root / "flows", dirs_exist_ok=True)
    tables = [f'[deployments.{name}]\nentrypoint = "{kind.entrypoint}"\n' for name, kind in KINDS.items()]
    project.settings("kinds", "\n".join(['entrypoint = "unions.py"\n', *tables]))
    assert project.shipped("kinds") == {"kinds": "build"}
    deployments = {name: project.deployment("kinds", name) for name in KINDS}
    image = deployments["unions"]["job_variables"]["image"]
    flows = {flow["requested"]: flow for flow in flows_in(image)}
    described = {name: flows[kind.entrypoint] for name, kind in KINDS.items()}
    registered = {name: each["parameter_openapi_schema"] for name, each in deployments.items()}
    runs = {
        name: {run: start(project, deployments[name], given) for run, given in kind.runs.items()}
        for name, kind in KINDS.items()
    }
    answer = executed(
        project, image, {id_: described[name]["id"] for name in runs for id_ in runs[name].values()}
    )
    received = {
        name: {run: answer["returned"][id_] for run, id_ in ids.items()} for name, ids in runs.items()
    }
    prefect = {name: answer["schemas"][flow["id"]] for name, flow in described.items()}
    return Shipped(image, described, received, registered, prefect)


def flows_in(image: str) -> list[dict[str, Any]]:
    """The flows in the image's own description."""
    found = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint", "cat", image, "/opt/flowyard/description.json"],
        check=True,
        capture_output=True,
        text=True,
    )
    flows: list[dict[str, Any]] = json.loads(found.stdout)["flows"]
    return flows


def start(project: SmallProject, deployment: Mapping[str, Json], parameters: Mapping[str, Json]) -> str:
    """A flow run of a deployment, which no worker takes: pending, not scheduled."""
    path = f"/deployments/{deployment['id']}/create_flow_run"
    body = {"parameters": dict(parameters), "state": {"type": "PENDING"}, "idempotency_key": uuid.uuid4().hex}
    for _ in range(4):  # a server on SQLite with much to do may not answer in time; the key makes it one run
        with suppress(Unreachable):
            return str(project.api.request("POST", path, body)["id"])
    return str(project.api.request("POST", path, body)["id"])


def executed(project: SmallProject, image: str, runs: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What the driver answers in one container of the image."""
    ran = subprocess.run(
        [
            *("docker", "run", "--rm", "--interactive", "--network", "host"),
            *("--env", f"PREFECT_API_URL={api_url(project.running.state)}"),
            *("--volume", f"{DRIVER}:/driver.py:ro", image, "python", "/driver.py"),
        ],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    return answer


def text(value: Json) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_and_what_reaches_the_flow(
    kind: str, shipped: Shipped, pytestconfig: pytest.Config
) -> None:
    found = {
        "description.json": text(shipped.described[kind]),
        "received.json": text(shipped.received[kind]),
    }
    compare(CASES / "expected" / kind, found, update=pytestconfig.getoption("--update-golden"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_registered_is_what_the_image_said(kind: str, shipped: Shipped) -> None:
    described = shipped.described[kind]["parameter_schema"]
    assert shipped.registered[kind] == {**described, "additionalProperties": False}


@pytest.mark.parametrize("kind", KINDS)
def test_how_it_differs_from_prefect_s_own_schema(kind: str, shipped: Shipped) -> None:
    ours, theirs = shipped.described[kind]["parameter_schema"], shipped.prefect[kind]
    differences = {
        name: {key: text for key, text in ours["properties"][name].items() if property_.get(key) != text}
        for name, property_ in theirs["properties"].items()
        if ours["properties"][name] != property_
    }
    assert differences == DIFFERENCES.get(kind, {})
    assert {**ours, "properties": ours["properties"].keys()} == {
        **theirs,
        "properties": theirs["properties"].keys(),
    }
