"""What each verb does: opens the project, calls the steps, prints the result.

Between the command line, which knows words, and the pipeline, which knows values. What a verb needs beside the project
is imported when that is open: the Prefect server is at work by then (opening.py).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowyard.building.pace import Pace
from flowyard.commands.opening import Opened, open_project, open_target
from flowyard.commands.output import Output, note
from flowyard.connect import choose_target, connect, locate, ui_url
from flowyard.errors import FlowFailed, PrefectError, UsageError
from flowyard.interruption import ShipInterrupted

if TYPE_CHECKING:
    from flowyard.aws.options import PolicyOptions
    from flowyard.building.workshop import Workshop
    from flowyard.outcome import Outcome
    from flowyard.planning.filters import Chosen
    from flowyard.planning.selection import Selection
    from flowyard.yard import Yard


def ship(selection: Selection, target: str | None, output: Output, pace: Pace) -> int:
    """Ship the flows and print their references."""
    return _ship("ship", selection, target, output, pace)


def register(selection: Selection, target: str | None, output: Output, pace: Pace) -> int:
    """Register images that exist; a flow whose image does not is an error."""
    # Nothing is built, and deployments are written one flow after the other in any case.
    return _ship("register", selection, target, output, replace(pace, jobs=1))


def _ship(verb: str, selection: Selection, target: str | None, output: Output, pace: Pace) -> int:
    output.telling.check()
    opened = open_target(target, selection)
    try:
        yard, outcomes, stopped = _shipped(verb, selection, opened, pace)
    except KeyboardInterrupt:  # from here on: what is imported takes a while too
        from flowyard.report import error_json

        output.result("", error_json(FlowFailed("interrupted before anything was shipped")))
        note(f"target {opened.connection.target.name}: nothing was shipped")
        raise
    code = _end(verb, yard, outcomes, output, changes_only=selection.changed)
    if stopped is not None:
        raise stopped
    return code


def _shipped(
    verb: str, selection: Selection, opened: Opened, pace: Pace
) -> tuple[Yard, Sequence[Outcome], ShipInterrupted | None]:
    """What came of the flows; the interruption, when there was one, has what was done before."""
    from flowyard import pipeline
    from flowyard.adapters.terminal import progress_for
    from flowyard.wiring import yard_of

    with progress_for(sys.stderr, os.environ) as progress:
        yard = yard_of(opened.project, opened.connection, opened.api, progress, pace)
        chosen = _choose(selection, yard.workshop)
        try:
            outcomes = pipeline.ship(
                yard, chosen.flows, build=verb == "ship", whole=chosen.whole, deployed=opened.deployed
            )
        except ShipInterrupted as interruption:
            return yard, interruption.outcomes, interruption
    return yard, outcomes, None


def _choose(selection: Selection, workshop: Workshop) -> Chosen:
    """The flows that are meant, and on stderr what a filter left out of them."""
    from flowyard.planning.filters import choose
    from flowyard.wiring import open_around

    chosen = choose(workshop.project, selection, open_around(workshop))
    for text in chosen.notes:
        note(f"note: {text}")
    return chosen


def _end(verb: str, yard: Yard, outcomes: Sequence[Outcome], output: Output, *, changes_only: bool) -> int:
    from flowyard import report

    target = yard.target.name
    for outcome in outcomes:
        if outcome.error is not None:
            note(report.error_text(outcome.error, outcome.plan.name))
        for text in report.ship_notes(outcome):
            note(f"note: {text}")
    note(report.ship_summary(target, outcomes))
    shown = [one for one in outcomes if one.changes or not changes_only]
    output.result(report.ship_text(shown), report.ship_json(target, shown))
    if output.telling.wanted:
        from flowyard.reporting.account import of_ship

        output.telling.tell(of_ship(verb, target, outcomes), yard.project, yard.target)
    return report.exit_code(outcomes)


def plan(selection: Selection, target: str | None, output: Output) -> bool:
    """Print the plan; whether there is anything to do."""
    output.telling.check()
    opened = open_target(target, selection)
    from flowyard import pipeline, report
    from flowyard.adapters.terminal import progress_for
    from flowyard.planning.observe import warned
    from flowyard.wiring import yard_of

    with progress_for(sys.stderr, os.environ, silent=True) as progress:
        yard = yard_of(opened.project, opened.connection, opened.api, progress)
        chosen = _choose(selection, yard.workshop)
        made = pipeline.plan_flows(yard, chosen.flows, whole=chosen.whole, deployed=opened.deployed)
        made = warned(yard, made, made.flows, opened.deployed.result())
        pipeline.foresee(yard, made)
    output.result(report.plan_text(made, selection.changed), report.plan_json(made, selection.changed))
    if output.telling.wanted:
        from flowyard.reporting.account import of_plan

        output.telling.tell(of_plan(made), opened.project, yard.target, target)
    return bool(made.changes)


def render(words: Sequence[str], exclude: Sequence[str] = ()) -> int:
    """Print the Dockerfiles."""
    from flowyard.planning.desired import want
    from flowyard.planning.selection import named

    project = open_project()
    target = locate(choose_target(project, None), project.root)
    flows = named(project, words, exclude, Path.cwd())
    print("\n".join(want(project, flow, target).dockerfile for flow in flows), end="")
    return 0


def build(selection: Selection, target: str | None, output: Output, pace: Pace) -> int:
    """Build and check the images, and leave them in the engine."""
    from flowyard import report
    from flowyard.adapters.terminal import progress_for
    from flowyard.building.workshop import build_images
    from flowyard.pipeline import changed_images
    from flowyard.wiring import open_workshop, open_yard

    output.telling.check()
    project = open_project()
    with progress_for(sys.stderr, os.environ) as progress:
        if selection.changed:  # the one case in which building asks Prefect
            yard = open_yard(project, target, progress, pace)
            workshop, flows = yard.workshop, changed_images(yard, _choose(selection, yard.workshop).flows)
        else:
            workshop = open_workshop(project, locate(choose_target(project, target), project.root), progress)
            flows = _choose(selection, workshop).flows
        outcomes = build_images(workshop, flows, pace)
    for outcome in outcomes:
        if outcome.error is not None:
            note(report.error_text(outcome.error, outcome.flow))
    output.result(report.build_text(outcomes), report.build_json(outcomes))
    if output.telling.wanted:
        from flowyard.reporting.account import of_build

        output.telling.tell(of_build(workshop.target.name, outcomes), project, workshop.target)
    return report.exit_code(outcomes)


def list_flows(target: str | None, output: Output) -> int:
    """Print the flows and their deployments as the files have them."""
    from flowyard import report
    from flowyard.planning.desired import check_target

    project = open_project()
    chosen = check_target(project, choose_target(project, target))
    output.result(report.list_text(project, chosen), report.list_json(project, chosen))
    return 0


def print_paths(paths: Iterable[Path]) -> None:
    """Print each path once."""
    for path in dict.fromkeys(paths):
        print(path.as_posix())


def lock(words: Sequence[str], upgrade: bool, exclude: Sequence[str] = ()) -> int:
    """Pin bases, lock dependencies and write the types of Docker tasks; say what was written."""
    from flowyard.adapters.oci import OciRegistry
    from flowyard.adapters.processes import SystemProcesses
    from flowyard.configuration.platforms import architecture_of
    from flowyard.locking.bases import pin_bases
    from flowyard.locking.locker import Locker
    from flowyard.planning.selection import named
    from flowyard.stubs.refresh import lock_stubs
    from flowyard.wiring import uv_program

    project = open_project()
    flows = named(project, words, exclude, Path.cwd())
    bases = OciRegistry(architecture=architecture_of(platform.machine()))
    written = list(pin_bases(project, flows, bases, upgrade=upgrade))
    project = open_project()  # the pins that were just written count
    locker = Locker(project.root, SystemProcesses(), uv_program(), upgrade=upgrade)
    flows = named(project, words, exclude, Path.cwd())
    for flow in flows:
        note(f"locking {flow.name}")
        written += locker.lock(flow)
    print_paths(written)  # of what the types are made may be refused, and these are there
    stubs = lock_stubs(project, flows, whole=not (words or exclude))
    print_paths(stubs)
    written += stubs
    note("commit the files above" if written else "every lock is fresh")
    return 0


def run(
    word: str, parameters: Sequence[str], target: str | None, output: Output, timeout: float | None
) -> int:
    """Trigger, follow on stderr, print the result on stdout."""
    from flowyard import report
    from flowyard.adapters.prefect_api import PrefectRest
    from flowyard.running.delay import delay_text, measure
    from flowyard.running.run import Waiting, find_deployment, follow, parse_parameters, result_of, trigger
    from flowyard.wiring import open_results, open_tasks

    project = open_project()
    connection = connect(choose_target(project, target), project.root, os.environ)
    api = PrefectRest(connection.prefect)
    deployment = find_deployment(api, project, connection.target, word)
    values = parse_parameters(tuple(parameters), deployment, word)
    triggered = trigger(api, deployment, values, ui_url(connection.prefect))
    note(f"run {triggered.name} of {word}, image {triggered.image}")
    note(f"  {triggered.page}")
    finished = follow(api, triggered, note, timeout, Waiting(tasks=open_tasks(connection.target)))
    delay = None
    with suppress(PrefectError):  # a run that ended has a result, whether or not it can be measured
        delay = measure(api, triggered.id, finished.task)
    if delay is not None:
        note(delay_text(delay))
    result = result_of(triggered, finished, open_results(connection.target))
    if "lost" in result:
        note(f"what the flow returned cannot be kept, only shown: {result['lost']}")
    output.result(report.result_text(result), report.result_json(triggered, finished, result, delay))
    return 0


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """What the policies are written as, and into which folder; None prints them."""

    terraform: bool
    folder: str | None

    def write(self, files: Mapping[str, str]) -> tuple[str, ...]:
        """Write the files, if they are to be written; their paths."""
        if self.folder is None:
            return ()
        folder = Path(self.folder)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--output: {self.folder} is not a folder")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return tuple((folder / name).as_posix() for name in files)


def policies(target: str | None, output: Output, form: PolicyFiles, options: PolicyOptions) -> int:
    """Print the policies of a target, or the paths of the files they were written to."""
    from flowyard.aws.policies import advice, roles_of
    from flowyard.aws.policy_files import json_files, policies_json, shown, terraform_files
    from flowyard.aws.site import site_of
    from flowyard.planning.desired import check_target

    project = open_project()
    site = site_of(project, check_target(project, choose_target(project, target)), options)
    roles = roles_of(site, options)
    files = terraform_files(site, roles) if form.terraform else json_files(roles)
    written = form.write(files)
    for sentence in advice(site, options):
        note(sentence)
    output.result("\n".join(written) if written else shown(files), policies_json(site, roles, written))
    return 0
