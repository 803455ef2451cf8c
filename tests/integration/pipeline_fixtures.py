"""The yard that is up for the whole session, and small projects on it.

A pytest plugin of the modules that name it in `pytest_plugins`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.pipeline_projects import SmallProject, fill
from tests.integration.yard import RunningYard, remove_nameless, running_yard

MakeProject = Callable[..., SmallProject]


@pytest.fixture(scope="session")
def session_yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningYard]:
    """The services that all small projects share."""
    with running_yard(tmp_path_factory.mktemp("pipeline"), ["hello"]) as running:
        yield running


@pytest.fixture
def make_project(session_yard: RunningYard, tmp_path: Path) -> Iterator[MakeProject]:
    """Makes a project without flows; what it registered is gone afterwards, its images go with the yard: those
    that have a name."""
    made: list[SmallProject] = []

    def make(folder: str = "project") -> SmallProject:
        project = SmallProject(tmp_path / folder, f"test-{uuid.uuid4().hex[:12]}", session_yard)
        fill(project)
        made.append(project)
        return project

    yield make
    for project in made:
        for deployment in project.deployments().values():
            project.api.request("DELETE", f"/deployments/{deployment['id']}")
        remove_nameless(project.name)


@pytest.fixture
def project(make_project: MakeProject) -> SmallProject:
    """One project without flows."""
    return make_project()
