"""Every module that a run of Prefect imports has bytecode in a real image, or each run would compile it anew."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

RUN = (
    "prefect.cli.flow_run",
    "prefect.runner",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
)
SERVER = ("sqlalchemy",)
COUNT = """
import importlib, json, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
found = [module for module in sys.modules.values() if (getattr(module, "__file__", None) or "").endswith(".py")]
installed = [module for module in found if "/site-packages/" in module.__file__]
print(json.dumps([len(installed), [m.__name__ for m in installed if not os.path.exists(m.__cached__)]]))
"""


def without_bytecode(image: str, modules: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many installed modules these import in the image, and which of them have no bytecode."""
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=python", image, "-c", COUNT, *modules]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    count, missing = json.loads(printed)
    return count, missing


@pytest.fixture
def image(project: SmallProject) -> str:
    project.flow("compiled")
    project.ship("compiled")
    return str(project.deployment("compiled")["job_variables"]["image"])


def test_what_a_run_imports_has_bytecode(image: str) -> None:
    count, missing = without_bytecode(image, (*RUN, "flowyard.runtime.start"))
    assert missing == []
    assert count > 700


def test_what_only_the_server_imports_has_none(image: str) -> None:
    """The counter-example: the test above would see a module without bytecode. It can be imported all the same."""
    _, missing = without_bytecode(image, SERVER)
    assert "sqlalchemy.exc" in missing
