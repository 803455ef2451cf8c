"""What the verbs about this machine do: the services that run on it, and the disk that ships fill."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.adapters.processes import is_alive
from flowyard.adapters.terminal import progress_for
from flowyard.commands.opening import open_project
from flowyard.commands.output import Output, note
from flowyard.connect import choose_target, connect, locate
from flowyard.embedded.state import api_url, registry_host
from flowyard.errors import UsageError
from flowyard.load import find_root
from flowyard.program import PROGRAM
from flowyard.state_folder import STATE_FOLDER
from flowyard.wiring import open_images


def up(target: str | None, database: str | None) -> int:
    """Start the embedded services and say where they are."""
    from flowyard.embedded.database import kept_choice
    from flowyard.embedded.options import UpOptions
    from flowyard.embedded.services import up as start

    project = open_project()
    chosen = choose_target(project, target)
    if not chosen.prefect.embedded:
        raise UsageError(
            f"target {chosen.name} has no embedded services", hint='they need prefect = { api = "embedded" }'
        )
    with progress_for(sys.stderr, os.environ) as progress:
        folder = project.root / STATE_FOLDER
        state = start(UpOptions(folder, chosen.work_pool, os.environ, database=database), progress)
    note(f"up; stop it with `{PROGRAM} down`")
    print(f"container registry  {registry_host(state)}")
    print(f"Prefect UI          {api_url(state).removesuffix('/api')}")
    print(f"Prefect database    {kept_choice(folder).shown}")
    print(f"worker              polls work pool {chosen.work_pool}")
    return 0


def down(delete_data: bool) -> int:
    """Stop the embedded services."""
    from flowyard.embedded.services import down as stop

    root = find_root(Path.cwd().resolve())
    with progress_for(sys.stderr, os.environ) as progress:
        stop(root / STATE_FOLDER, progress, delete_data=delete_data)
    return 0


def clean(target: str | None, output: Output, *, dry_run: bool, releases: int | None) -> int:
    """Free what ships of this project left on the disk of this machine and nothing needs."""
    from flowyard.cleaning.clean import Cleaning
    from flowyard.cleaning.leftovers import leftovers
    from flowyard.cleaning.needed import Judge, sharing
    from flowyard.cleaning.told import clean_json, clean_notes, clean_text
    from flowyard.registering.pruning import KEPT_RELEASES

    project = open_project()
    located = [locate(one, project.root) for one in project.targets.values()]
    chosen = locate(choose_target(project, target), project.root)
    connected = [connect(one, project.root, os.environ) for one in sharing(chosen, located)]
    asked = tuple((PrefectRest(one.prefect), one.target.name) for one in connected)
    judge = Judge(project.name, chosen, asked, releases or KEPT_RELEASES)
    files = leftovers(project.root / STATE_FOLDER, {flow.name for flow in project.flows}, is_alive)
    with open_images() as store:
        cleaned = Cleaning(project.name, chosen.name, judge, files).run(store, dry_run=dry_run)
    cleaned = replace(cleaned, files=tuple(file.relative_to(project.root) for file in cleaned.files))
    for text in clean_notes(cleaned):
        note(text)
    output.result(clean_text(cleaned), clean_json(cleaned))
    return 0
