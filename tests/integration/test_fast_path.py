"""A ship with nothing to do: what it must not import, seen in the real program."""

from __future__ import annotations

import subprocess
import sys

from tests.integration.pipeline_projects import SmallProject, environment

pytest_plugins = ("tests.integration.pipeline_fixtures",)

HEAVY = frozenset(
    {"prefect", "docker", "boto3", "botocore", "rich", "jsonschema", "jinja2", "httpx", "asyncio"}
)


def imported(project: SmallProject, *words: str) -> tuple[int, frozenset[str]]:
    """The exit code, and the top-level names of all modules the program imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flowyard", *words],
        cwd=project.root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.rpartition("|")[2] for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.returncode, frozenset(line.strip().partition(".")[0] for line in lines)


def test_a_ship_with_nothing_to_do_imports_nothing_heavy(project: SmallProject) -> None:
    project.flow("fast_flow")
    assert project.shipped() == {"fast_flow": "build"}
    for words in (("fast_flow",), ("ship",), ("plan",), ("ship", "--json")):
        code, modules = imported(project, *words)
        assert (code, sorted(modules & HEAVY)) == (0, []), words
        assert {"flowyard", "pydantic", "urllib3"} <= modules  # or the list was not read right


def test_the_same_list_shows_what_a_ship_with_work_imports(project: SmallProject) -> None:
    """The counter-example: the test above would see a heavy import."""
    project.flow("fast_new")
    code, modules = imported(project, "ship")
    assert (code, sorted(modules & {"jinja2", "jsonschema"})) == (0, ["jinja2", "jsonschema"])
