"""Real processes that ship one flow at the same time, to the real Prefect server and container registry."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from subprocess import Popen

import pytest

from flowyard.releasing.records import read_head
from tests.integration.pipeline_projects import SmallProject
from tests.integration.test_pipeline_order import commit, git
from tests.release_records import history

pytest_plugins = ("tests.integration.pipeline_fixtures",)

FLOW = "race_flow"


def ends(ships: Sequence[Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    printed = [ship.communicate(timeout=240) for ship in ships]
    return [(ship.returncode, *said) for ship, said in zip(ships, printed, strict=True)]


def test_two_ships_of_one_flow_at_once_agree(project: SmallProject) -> None:
    project.registry('order = "git"')
    project.write(".gitignore", ".flowyard/\nregistry.local.toml\n")
    project.flow(FLOW)
    git(project, "init", "--quiet", "--initial-branch", "main")
    sha = commit(project)
    first, second = ends([project.program_in_background("ship") for _ in range(2)])
    assert (first[0], second[0]) == (0, 0), (first, second)
    image = project.deployment(FLOW)["job_variables"]["image"]
    assert first[1] == second[1] == f"{FLOW}  {image}\n"
    assert len(history(project.api, project.name, "local", FLOW)) == 1
    assert read_head(project.api, project.name, "local").commits == {FLOW: sha}
    said = [one[2] for one in (first, second)]
    last = {one.splitlines()[-1] for one in said}
    assert last == {
        "target local: 1 shipped, 0 unchanged, 0 failed",
        "target local: nothing to do, 1 unchanged",
    }
    assert sum("waiting for another ship of it" in one for one in said) == 1


@pytest.fixture
def pair(project: SmallProject) -> tuple[SmallProject, SmallProject]:
    """Two checkouts of one repository, whose image is built."""
    project.registry('order = "git"')
    project.write(".gitignore", ".flowyard/\nregistry.local.toml\n")
    project.flow(FLOW)
    git(project, "init", "--quiet", "--initial-branch", "main")
    commit(project)
    project.shipped()
    other = replace(project, root=project.root.parent / "other")
    shutil.copytree(project.root, other.root)
    return project, other


def test_the_newer_commit_wins_whoever_begins(pair: tuple[SmallProject, SmallProject]) -> None:
    older, newer = pair
    drawn = random.Random(7)
    for number in range(10):
        older.settings(FLOW, f"[deployments.daily]\nparameters = {{ times = {10 * number + 1} }}\n")
        old = commit(older)
        git(newer, "pull", "--quiet", str(older.root), "main")
        newer.settings(FLOW, f"[deployments.daily]\nparameters = {{ times = {10 * number + 2} }}\n")
        new = commit(newer)
        order = [older, newer] if drawn.random() < 0.5 else [newer, older]
        ships = [order[0].program_in_background("ship")]
        time.sleep(drawn.uniform(0, 1.0))
        ships.append(order[1].program_in_background("ship"))
        done = dict(zip((one.root for one in order), ends(ships), strict=True))
        assert done[newer.root][0] == 0, done
        assert done[older.root][0] in (0, 8), done
        deployment = newer.deployment(FLOW, "daily")
        assert deployment["parameters"] == {"times": 10 * number + 2}
        assert deployment["labels"]["flowyard.commit"] == new
        assert read_head(newer.api, newer.name, "local").commits == {FLOW: new}
        commits = [record.commit for record in history(newer.api, newer.name, "local", FLOW)]
        assert commits[0] == new
        assert commits.count(new) == 1
        assert commits.count(old) <= 1
        git(older, "pull", "--quiet", str(newer.root), "main")
