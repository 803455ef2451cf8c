"""Opens the project and its target, and begins to ask what is deployed there before anything else is loaded.

The rest of the program loads, and hashes the files, while the server works.
"""

from __future__ import annotations

import os
import platform
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.ahead import ahead
from flowyard.configuration.platforms import with_platforms
from flowyard.connect import Connection, choose_target, connect
from flowyard.deployed import Deployments, read_deployments
from flowyard.load import find_root, load
from flowyard.planning.selection import Selection, named
from flowyard.values import Project


@dataclass(frozen=True, slots=True)
class Opened:
    """A project, where its target is, the client of its Prefect API, and what is deployed there."""

    project: Project
    connection: Connection
    api: PrefectRest
    deployed: Future[Deployments]


def open_project(start: Path | None = None) -> Project:
    """The project around the current folder, loaded for this machine."""
    project = load(find_root((start or Path.cwd()).resolve()))
    return with_platforms(project, platform.machine())


def open_target(target: str | None, selection: Selection) -> Opened:
    """The project around the current folder and its target.

    Raises UsageError when the target is not up, or a word that is asked for names no flow.
    """
    project = open_project()
    connection = connect(choose_target(project, target), project.root, os.environ)
    named(project, selection.words, selection.exclude, Path.cwd())
    api = PrefectRest(connection.prefect)
    return Opened(project, connection, api, ahead(lambda: read_deployments(api, project.name)))
