"""The key as programs of their own work it out: other surroundings, and another version of Flowyard.

What a test in this process cannot change: the locale Python began with, the seed of its hashes, its own code.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from flowyard.inputs import Inputs
from flowyard.planning.key import differences
from flowyard.values import Json
from tests.support import write_files
from tests.unit.changing import append, make_repository

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import dataclasses, importlib.metadata, json, pathlib, sys
import flowyard
from flowyard.connect import choose_target
from flowyard.planning.desired import want
from flowyard.commands.opening import open_project

project = open_project()
wanted = want(project, project.flows[0], choose_target(project, None))
about = {"version": importlib.metadata.version("flowyard"), "encoding": sys.getfilesystemencoding()}
about["code"] = str(pathlib.Path(flowyard.__file__).parent)
inputs = dataclasses.asdict(wanted.inputs)
print(json.dumps({"about": about, "key": wanted.key, "spec": wanted.spec, "inputs": inputs}))
"""
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("program") / "clone")
    write_files(root, {"flows/hello/data/données.csv": "é\n"})
    (root / "flows/hello/lien").symlink_to("data/données.csv")
    return root


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of Flowyard."""
    shutil.copytree(
        ROOT / "flowyard", tmp_path / "site/flowyard", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "site"


def worked_out(
    folder: Path, code: Path = ROOT, environment: Mapping[str, str] = MappingProxyType({}), umask: int = 0o022
) -> dict[str, Json]:
    """What a program says of the flow; it runs in `folder`, with the Flowyard that lies in `code`."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**PLAIN, "PYTHONPATH": str(code), **environment},
        umask=umask,
        check=False,
        capture_output=True,
    )
    assert finished.returncode == 0, finished.stderr.decode(errors="replace")
    found: dict[str, Json] = json.loads(finished.stdout)
    assert found["about"]["code"] == str(code / "flowyard")
    return found


def without_about(found: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in found.items() if name != "about"}


def test_surroundings_do_not_matter(root: Path) -> None:
    first = worked_out(root)
    assert first["inputs"]["image"]["flows/hello/lien"] == "link:data/données.csv"
    ascii_only = worked_out(root, environment=ASCII)
    assert (first["about"]["encoding"], ascii_only["about"]["encoding"]) == ("utf-8", "ascii")
    build = {"PYTHONOPTIMIZE": "2", "SOURCE_DATE_EPOCH": "1", "DOCKER_DEFAULT_PLATFORM": "linux/s390x"}
    others = [
        ascii_only,
        worked_out(root, environment={"LC_ALL": "C"}),
        worked_out(root, environment={"TZ": "Pacific/Chatham", "PYTHONHASHSEED": "7"}),
        worked_out(root / "flows/hello", umask=0o077),
        worked_out(root, environment=build),
    ]
    assert [without_about(other) for other in others] == [without_about(first)] * len(others)


def test_another_version_of_flowyard_does_not_matter_when_its_runtime_part_is_the_same(
    root: Path, package: Path
) -> None:
    metadata = {"flowyard-99.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: flowyard\nVersion: 99.0\n"}
    write_files(package, metadata)
    for module in ("pipeline.py", "planning/key.py", "render.py"):
        append(f"flowyard/{module}", "# another version\n")(package)
    newer = worked_out(root, package)
    assert newer["about"]["version"] == "99.0"
    assert without_about(newer) == without_about(worked_out(root))


@pytest.mark.parametrize("module", ["runtime/start.py", "runtime/describe.py", "__init__.py"])
def test_a_byte_of_the_runtime_part_matters(root: Path, package: Path, module: str) -> None:
    before = worked_out(root)
    append(f"flowyard/{module}", "#\n")(package)
    after = worked_out(root, package)
    assert differences(Inputs(**before["inputs"]), Inputs(**after["inputs"])) == (
        f"flowyard {module} changed",
    )
    assert (after["key"] != before["key"], after["spec"]) == (True, before["spec"])
