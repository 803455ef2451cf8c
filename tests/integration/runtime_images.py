"""A folder laid out like an image, and runs of its flows as a worker starts them, without an engine.

The runtime part is alone there, as in an image: it needs nothing else of the package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import flowyard

PYTHON = ".".join(str(part) for part in sys.version_info[:2])
PACKAGE = Path(flowyard.__file__).parent
TRIES = 10
EXECUTE_ALL = Path(__file__).with_name("execute_all.py")


@dataclass(frozen=True)
class Image:
    """A folder laid out like an image, and how to run a program in it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "project" / "flows" / "etl"

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, (self.root / "lib", self.root / "project", self.folder)))
        return {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "HOME": str(self.root),
            "PYTHONPATH": path,
            "DO_NOT_TRACK": "1",
            "FLOWYARD_DESCRIPTION": str(self.root / "description.json"),
        }

    def run(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command through the image's entrypoint, in the flow's folder."""
        start = self.root / "lib" / "flowyard" / "runtime" / "start.py"
        return subprocess.run(
            [sys.executable, "-I", "-S", str(start), *command],
            env={**self.environment(), **(environment or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def describe(self, *entrypoints: str) -> subprocess.CompletedProcess[str]:
        """Run the check, with hash randomisation as a build step has it."""
        output = str(self.root / "description.json")
        arguments = ["--name", "etl", "--python", PYTHON, "--output", output, *entrypoints]
        return self.run(["python", "-m", "flowyard.runtime.describe", *arguments])

    def description(self) -> Any:
        return json.loads((self.root / "description.json").read_text(encoding="utf-8"))


def make_image(root: Path, flow: str) -> Image:
    """An image's folders with one flow.py."""
    made = Image(root)
    made.folder.mkdir(parents=True)
    (made.folder / "flow.py").write_text(flow, encoding="utf-8")
    library = root / "lib" / "flowyard"
    shutil.copytree(PACKAGE / "runtime", library / "runtime")
    shutil.copy(PACKAGE / "__init__.py", library)
    return made


@dataclass(frozen=True)
class Pending:
    """A run that nobody executes yet: its id, its flow's, and variables for it alone."""

    run: str
    flow: str
    settings: Mapping[str, str]


class Runs:
    """Runs flows of an image through deployments, as a worker would, with `settings` in their environment."""

    def __init__(self, api: str, image: Image, settings: Mapping[str, str] | None = None) -> None:
        self._api = api
        self._image = image
        self._settings = dict(settings or {})

    def state(self, flow: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Run the flow with this id to its end; the run's state."""
        pending = self.pending(flow, parameters)
        own = {"PREFECT_HOME": "/worker", "PREFECT__FLOW_RUN_ID": pending.run}
        self._image.run(["prefect", "flow-run", "execute"], self._environment(own))
        return self.read(pending)["state"]

    def execute(self, *runs: Pending) -> list[Any]:
        """Execute pending runs one after the other in one process; their states."""
        asked = json.dumps([asdict(one) for one in runs])
        done = self._image.run(["python", str(EXECUTE_ALL), asked], self._environment({}))
        assert done.returncode == 0, done.stderr
        return [self.read(one)["state"] for one in runs]

    def pending(
        self,
        flow: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Pending:
        """A run of the flow with this id that nobody executes yet."""
        described = {each["id"]: each for each in self._image.description()["flows"]}[flow]
        body = {
            "name": f"runtime-{self._image.root.name}",
            "flow_id": self._post("/flows/", {"name": f"runtime-{described['name']}"})["id"],
            "entrypoint": f"flowyard.runtime.flows.{flow}",
            "parameter_openapi_schema": described["parameter_schema"],
            "enforce_parameter_schema": described["enforce_parameter_schema"],
            "pull_steps": [
                {"prefect.deployments.steps.set_working_directory": {"directory": str(self._image.folder)}}
            ],
        }
        deployment = self._post("/deployments/", body)["id"]
        pending = {"parameters": parameters or {}, "state": {"type": "PENDING"}}
        run = self._post(f"/deployments/{deployment}/create_flow_run", pending)
        return Pending(run["id"], flow, dict(settings or {}))

    def read(self, run: Pending) -> Any:
        """The flow run as the server has it."""
        with urllib.request.urlopen(f"{self._api}/flow_runs/{run.run}") as answer:
            return json.load(answer)

    def log(self, run: Pending) -> list[str]:
        """What the run's log says, in order."""
        found = self._post(
            "/logs/filter", {"logs": {"flow_run_id": {"any_": [run.run]}}, "sort": "TIMESTAMP_ASC"}
        )
        return [str(line["message"]) for line in found]

    def shown(self, state: Any) -> Any:
        """What the image itself says about the result of a run in this state."""
        data = state["data"]
        command = [
            "python",
            "-m",
            "flowyard.runtime.result",
            data["storage_key"],
            json.dumps(data["serializer"]),
        ]
        return json.loads(self._image.run(command).stdout)

    def files(self) -> int:
        """How many results are kept."""
        return sum(1 for _ in (self._image.root / "results").glob("*"))

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        results = (self._image.root / "results").as_uri()
        return {"PREFECT_API_URL": self._api, "FLOWYARD_RESULTS": results, **self._settings, **own}

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._api + path, json.dumps(body).encode(), headers)
        for _ in range(TRIES):
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE:  # the server's SQLite was busy
                    raise
        raise AssertionError(f"{path}: the server stayed busy")
