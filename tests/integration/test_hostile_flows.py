"""Flows that are hostile or clumsy while they are imported, in real builds: each ends, clearly and in time."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flowyard.errors import CheckFailed
from flowyard.outcome import Outcome
from flowyard.runtime.bounds import START
from flowyard.runtime.guard import GRACE, HEAD, TAIL
from tests.integration.hostile_flows import REFUSED, SECONDS, SHIPPED
from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.yard import RunningYard

pytest_plugins = ("tests.integration.pipeline_fixtures",)

SECRET = "hunter2"


@pytest.fixture(scope="module")
def project(session_yard: RunningYard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallProject]:
    made = SmallProject(
        tmp_path_factory.mktemp("hostile") / "project", f"test-{uuid.uuid4().hex[:12]}", session_yard
    )
    fill(made)
    for name, hostile in {**SHIPPED, **REFUSED}.items():
        made.flow(name, hostile.source(name, made.name), hostile.settings)
    made.write("flows/writes/part/data.csv", "1\n")
    yield made
    for deployment in made.deployments().values():
        made.api.request("DELETE", f"/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def outcomes(project: SmallProject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """The outcome of every flow: all shipped at once, and the one that reads the environment after them.

    That one is shipped from an environment that must not be seen; its other layers are there by then, and
    need no network, to which the proxy of that environment does not lead.
    """
    first = project.ship(*(name for name in {**SHIPPED, **REFUSED} if name != "environ"))
    configuration = tmp_path_factory.mktemp("docker")
    proxies = dict.fromkeys(("httpProxy", "httpsProxy", "noProxy"), "http://flowyard.invalid:3128")
    (configuration / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(configuration))
        patch.setenv("FLOWYARD_CANARY", "seen")
        return {**first, **project.ship("environ")}


def log(project: SmallProject, name: str) -> str:
    return Path(project.root / f".flowyard/logs/build/{name}.log").read_text()


def check_seconds(project: SmallProject, name: str) -> float:
    """How long the check step of a flow's last build took."""
    text = log(project, name)
    number = re.search(r"^#(\d+) .*flowyard\.runtime\.describe", text, re.MULTILINE)
    assert number, text
    took = re.search(rf"^#{number[1]} (?:failed after|done in) ([0-9.]+) s", text, re.MULTILINE)
    assert took, text
    return float(took[1])


def in_image(project: SmallProject, flow: str, *command: str) -> str:
    """What a program of the shipped image prints."""
    image = project.deployment(flow)["job_variables"]["image"]
    words = ["docker", "run", "--rm", "--entrypoint", command[0], image, *command[1:]]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def property_of(project: SmallProject, flow: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = project.deployment(flow)["parameter_openapi_schema"]["properties"][name]
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_a_flow_that_is_refused(name: str, project: SmallProject, outcomes: dict[str, Outcome]) -> None:
    error = outcomes[name].error
    assert isinstance(error, CheckFailed)
    expected = re.escape(REFUSED[name].message).replace("ANY", r"[0-9a-f, -]+")
    assert re.fullmatch(expected, error.message), error.message
    assert error.hint
    assert check_seconds(project, name) < (SECONDS if name == "minute" else 0) + GRACE + START
    assert SECRET not in error.message + error.hint + log(project, name).replace(name, "")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_flow_that_is_shipped_all_the_same(
    name: str, project: SmallProject, outcomes: dict[str, Outcome]
) -> None:
    assert outcomes[name].error is None
    assert check_seconds(project, name) < GRACE + START


def test_what_is_printed_is_in_the_build_log(project: SmallProject, outcomes: dict[str, Outcome]) -> None:
    said = [line.partition(" ")[2].partition(" ")[2] for line in log(project, "prints").splitlines()]
    printed = ("on stdout", "on stderr", "on fd 1", "without an end")
    assert [line for line in said if line in printed] == list(printed)
    assert property_of(project, "prints", "number")["default"] == 1


def test_of_very_much_output_the_beginning_and_the_end_are_kept(
    project: SmallProject, outcomes: dict[str, Outcome]
) -> None:
    text = log(project, "shouts")
    assert re.search(r"\[flowyard: \d+ bytes of output are left out here\]", text)
    assert ("line 0\n" in text, "line 299999\n" in text, "line 150000\n" in text) == (True, True, False)
    assert len(text) < 4 * (HEAD + TAIL)


def test_what_is_written_does_not_land_in_the_image(
    project: SmallProject, outcomes: dict[str, Outcome]
) -> None:
    files = in_image(
        project, "writes", "find", "/opt/project", "/tmp", "-type", "f", "-not", "-name", "*.pyc"
    )
    assert sorted(files.split()) == sorted(
        [
            "/opt/project/flows/writes/flow.py",
            "/opt/project/flows/writes/part/data.csv",
            *(file for file in files.split() if file.startswith("/opt/project/shared/")),
        ]
    )


def test_nothing_of_the_builder_is_in_the_environment(
    project: SmallProject, outcomes: dict[str, Outcome]
) -> None:
    seen = set(property_of(project, "environ", "names")["default"].split())
    images = {line.partition("=")[0] for line in in_image(project, "environ", "env").splitlines()}
    ours = {
        *("DO_NOT_TRACK", "PREFECT_API_URL", "PREFECT_CLIENT_MAX_RETRIES", "PREFECT_HOME"),
        *("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_TO_API_ENABLED", "PYTHONHASHSEED"),
        *("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "PYDANTIC_DISABLE_PLUGINS"),
    }
    shells = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert seen - images - shells == ours
    assert property_of(project, "environ", "region")["default"] == "none"
