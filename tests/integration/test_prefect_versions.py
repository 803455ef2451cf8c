"""Server and images of different Prefect versions: the oldest server that is supported, and an older image.

A flow is shipped to the older server and runs there; what an older image holds runs against a newer server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import urllib3
from uv import find_uv_bin

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.running.delay import measure
from flowyard.values import PrefectAddress
from tests.integration.pipeline_projects import SmallProject
from tests.integration.prefect_server import prefect_server
from tests.integration.prefect_worker import running_worker
from tests.integration.yard import ROOT

pytest_plugins = ("tests.integration.pipeline_fixtures",)

OLDEST = "3.6.29"
FLOW = """import prefect
from prefect import flow


@flow
def which() -> str:
    return prefect.__version__
"""


@dataclass(frozen=True)
class Oldest:
    """An environment with the oldest version, in a folder of its own."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "venv/bin/python")


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Oldest:
    made = Oldest(tmp_path_factory.mktemp("oldest"))
    lock = ROOT / "requirements" / "oldest-server.lock"
    uv(made.folder, "venv", "--quiet", "--python", sys.executable, str(made.folder / "venv"))
    uv(made.folder, "pip", "sync", "--quiet", "--python", made.python, "--require-hashes", str(lock))
    return made


def uv(folder: Path, *words: str) -> None:
    subprocess.run([find_uv_bin(), *words], cwd=folder, check=True)


def test_an_image_of_today_on_the_oldest_server(project: SmallProject, oldest: Oldest) -> None:
    project.flow("which", FLOW)
    project.registry(prefect="{}")
    file = project.root / "registry.toml"
    file.write_text(file.read_text().replace(project.running.target.work_pool, "versions-pool"))
    with prefect_server(oldest.folder, python=oldest.python) as url:
        env = {"PREFECT_API_URL": url}
        shipped = project.program("ship", env=env)
        assert shipped.returncode == 0, shipped.stderr
        assert project.program("plan", env=env).stdout.splitlines()[-1] == "Nothing to do."
        with running_worker(project.root.parent / "worker", "versions-pool", env) as log:
            done = project.program("run", "which", "--timeout=150", env=env)
            assert done.returncode == 0, (done.stderr, log.read_text())
        assert urllib3.request("GET", f"{url}/admin/version").json() == OLDEST
    assert json.loads(done.stdout) == version("prefect")


def test_what_is_in_an_older_image_on_a_server_of_today(
    oldest: Oldest, prefect_api: str, tmp_path: Path
) -> None:
    """The runtime part with an older Prefect beside it, started as a container starts it."""
    (tmp_path / "flow.py").write_text(FLOW)
    description, results = tmp_path / "description.json", tmp_path / "results"
    path = f"{Path(oldest.python).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{tmp_path}", "DO_NOT_TRACK": "1"}
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--name", "which", "--python", minor, "--output", str(description), "flow.py"]
    describe = [oldest.python, "-m", "flowyard.runtime.describe", *options]
    subprocess.run(describe, cwd=tmp_path, env=env, check=True)
    assert json.loads(description.read_text())["prefect"] == OLDEST

    api = PrefectRest(PrefectAddress(prefect_api))
    body = {
        "name": "older",
        "flow_id": api.request("POST", "/flows/", {"name": "which"})["id"],
        "entrypoint": "flowyard.runtime.flows.which",
        "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}],
    }
    deployment = api.request("POST", "/deployments/", body)["id"]
    run = api.request("POST", f"/deployments/{deployment}/create_flow_run", {})["id"]
    start = [oldest.python, "-I", "-S", str(ROOT / "flowyard/runtime/start.py")]
    given = {
        **env,
        "PREFECT_API_URL": prefect_api,
        "PREFECT__FLOW_RUN_ID": run,
        "FLOWYARD_DESCRIPTION": str(description),
        "FLOWYARD_RESULTS": results.as_uri(),
    }
    subprocess.run(
        [*start, "prefect", "flow-run", "execute"], cwd=tmp_path, env=given, check=True, timeout=180
    )
    state = api.request("GET", f"/flow_runs/{run}")["state"]
    assert state["type"] == "COMPLETED"
    assert OLDEST in (results / state["data"]["storage_key"]).read_text()
    measured = measure(api, run)
    assert measured is not None
    assert measured.phases[-2].name == "imports"
