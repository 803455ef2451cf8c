"""A ship of twenty ECR flows with nothing to do, as a program: AWS is not called, and boto3 is not imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.building.pace import Pace
from flowyard.commands.opening import open_project
from flowyard.wiring import LateRegistry, open_yard
from tests.aws.ecr_site import PushedImages, ecr_site
from tests.aws.registry_front import RegistryFront
from tests.integration.pipeline_projects import environment, shipped

pytest_plugins = ("tests.aws.fixtures",)

TWENTY = tuple(f"f{number}" for number in range(20))
OF_AWS = frozenset({"boto3", "botocore", "s3transfer", "prefect", "docker", "jinja2"})


@pytest.fixture
def root(front: RegistryFront, prefect_api: str, tmp_path: Path) -> Path:
    """A project that was shipped, by the adapters that the program has, to a real Prefect server."""
    root = ecr_site(tmp_path / "project", *TWENTY, prefect=prefect_api).root
    text = (root / "registry.toml").read_text().replace("prefect = {", 'order = "none"\nprefect = {')
    (root / "registry.toml").write_text(text)
    yard = open_yard(open_project(root), None, SilentProgress(), Pace(4))
    registry = LateRegistry(yard.target)
    builder = PushedImages(registry, registry)
    yard = replace(yard, registry=registry, repositories=registry)
    yard = replace(yard, workshop=replace(yard.workshop, builder=builder))
    assert {name: one.error for name, one in shipped(yard).items()} == dict.fromkeys(TWENTY)
    return root


def ran(root: Path, front: RegistryFront, *words: str) -> tuple[int, list[str], frozenset[str]]:
    """Exit code, calls to AWS, and the top-level names of all modules the program imports."""
    front.api.calls.clear()
    front.requests.clear()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flowyard", *words],
        cwd=root,
        env=environment(front.api.environment()),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line.rpartition("|")[2] for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.returncode, front.api.actions(), frozenset(line.strip().partition(".")[0] for line in lines)


def test_nothing_to_do_asks_aws_nothing_and_imports_nothing_of_it(root: Path, front: RegistryFront) -> None:
    for words in (("ship",), ("plan",), ("f1",)):
        code, calls, modules = ran(root, front, *words)
        assert (code, calls, front.requests, sorted(modules & OF_AWS)) == (0, [], [], []), words
        assert {"flowyard", "pydantic", "urllib3"} <= modules  # or the list was not read right
    (root / "flows/f1/flow.py").write_text("changed = True\n")
    code, calls, modules = ran(root, front, "plan")  # the counter-example
    assert (code, calls, "boto3" in modules) == (0, ["ecr:GetAuthorizationToken"], True)
