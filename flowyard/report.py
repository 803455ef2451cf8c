"""Step 7, report: outcomes -> text for people, JSON for programs, and the exit code.

stdout carries results only; whoever pipes it gets references and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from flowyard.documents import dumped, error_entry
from flowyard.errors import FlowyardError, Unfinished
from flowyard.outcome import Outcome
from flowyard.plan import Plan
from flowyard.reporting.account import FlowAccount, flow_entry, of_plan, of_ship
from flowyard.target import Target
from flowyard.texts import shortened
from flowyard.values import Json, Project, Schedule

if TYPE_CHECKING:
    from flowyard.building.workshop import BuildOutcome
    from flowyard.running.delay import Delay
    from flowyard.running.run import Finished, Triggered

_SHOWN_REASONS = 4


class Ended(Protocol):
    """Anything that ended well or with an error."""

    @property
    def error(self) -> FlowyardError | None:
        """None when it went well."""
        ...


def exit_code(outcomes: Iterable[Ended]) -> int:
    """0 when everything went well; the error's own code when all failures have the same; else 1. What was not
    begun, or was ended early, because another failed does not count beside it."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    own = [error for error in errors if not isinstance(error, Unfinished)]
    codes = {error.exit_code for error in own or errors}
    return codes.pop() if len(codes) == 1 else int(bool(codes))


def plan_text(plan: Plan, changes_only: bool = False) -> str:
    """The plan for a person: one line a flow, with the reasons."""
    flows = plan.changes if changes_only else plan.flows
    width = max((len(flow.name) for flow in flows), default=0)
    lines = [f"target {plan.target}"]
    for flow in flows:
        reasons = f"  ({shortened(flow.reasons, _SHOWN_REASONS)})" if flow.reasons else ""
        lines.append(f"  {flow.action.sign} {flow.name:<{width}}  {flow.action.value}{reasons}")
        lines += [f"    note: {flow.name} {note}" for note in (flow.desired.notes if flow.desired else ())]
    lines.append(f"{of_plan(plan).summary}." if plan.changes else "Nothing to do.")
    return "\n".join(lines)


def plan_json(plan: Plan, changes_only: bool = False) -> str:
    """The plan for a program."""
    account = of_plan(plan)
    return _flows_json(account.target, account.changes if changes_only else account.flows)


def _flows_json(target: str, flows: Iterable[FlowAccount]) -> str:
    return dumped({"target": target, "flows": [flow_entry(flow) for flow in flows]})


def ship_text(outcomes: Iterable[Outcome]) -> str:
    """Flow and image reference, one flow a line: what stdout holds."""
    return "\n".join(f"{outcome.plan.name}  {outcome.image}" for outcome in outcomes if outcome.image)


def ship_json(target: str, outcomes: Iterable[Outcome]) -> str:
    """The outcomes for a program."""
    return _flows_json(target, of_ship("ship", target, outcomes).flows)


def ship_notes(outcome: Outcome) -> tuple[str, ...]:
    """What to know of a flow that was shipped, as `plan` would have said it, and of how that went. Of one that was not
    shipped the error says what there is to know."""
    desired = outcome.plan.desired if outcome.changes and outcome.error is None else None
    name = outcome.plan.name
    return (
        *(f"{name} {text}" for text in (desired.notes if desired else ())),
        *(f"{name}: {text}" for text in outcome.notes),
    )


def ship_summary(target: str, outcomes: Iterable[Outcome]) -> str:
    """One line on what a ship came to."""
    account = of_ship("ship", target, outcomes)
    if len(account.unchanged) == len(account.flows):
        return f"target {target}: nothing to do, {len(account.unchanged)} unchanged"
    return f"target {target}: {account.summary}"


def build_text(outcomes: Iterable[BuildOutcome]) -> str:
    """The references of the images that were built, one a line."""
    return "\n".join(str(outcome.built.reference) for outcome in outcomes if outcome.built)


def build_json(outcomes: Iterable[BuildOutcome]) -> str:
    """The built images for a program."""
    flows = [
        {
            "flow": outcome.flow,
            "reference": str(outcome.built.reference) if outcome.built else None,
            "image_id": outcome.built.image_id if outcome.built else None,
            "error": error_entry(outcome.error),
        }
        for outcome in outcomes
    ]
    return dumped({"flows": flows})


def list_text(project: Project, target: Target) -> str:
    """The flows and their deployments on a target."""
    lines = [f"{project.name}, target {target.name} (work pool {target.work_pool})"]
    for flow in project.flows:
        lines.append(f"  {flow.name}  on {flow.base.name}, dependencies: {flow.dependencies.kind}")
        for deployment in flow.deployments_on(target.name):
            times = ", ".join(_when(schedule) for schedule in deployment.schedules) or "started by hand"
            lines.append(f"    {deployment.name}  {deployment.entrypoint}  {times}")
    return "\n".join(lines)


def _when(schedule: Schedule) -> str:
    when = schedule.cron or schedule.rrule or f"every {schedule.interval:g} s"
    return f"{when} {schedule.timezone}{'' if schedule.active else ' (off)'}"


def list_json(project: Project, target: Target) -> str:
    """The flows and their deployments for a program."""
    flows = [
        {
            "flow": flow.name,
            "base": flow.base.name,
            "dependencies": flow.dependencies.kind,
            "deployments": [
                {
                    "name": item.name,
                    "entrypoint": item.entrypoint,
                    "schedules": [_when(s) for s in item.schedules],
                }
                for item in flow.deployments_on(target.name)
            ],
        }
        for flow in project.flows
    ]
    return dumped({"project": project.name, "target": target.name, "flows": flows})


def result_text(result: Json) -> str:
    """What a flow returned, as JSON where it is JSON."""
    return json.dumps(result["json"], indent=2) if "json" in result else str(result.get("repr"))


def result_json(run: Triggered, finished: Finished, result: Json, delay: Delay | None = None) -> str:
    """A finished run, the ECS task it ran in, where the delay before it went and what it returned, for a program."""
    described = {"id": run.id, "name": run.name, "image": run.image, "state": finished.state}
    task = None if finished.task is None else asdict(finished.task)
    measured = None if delay is None else asdict(delay)
    return dumped({"run": described, "task": task, "delay": measured, "result": result})


def error_text(error: FlowyardError, flow: str = "") -> str:
    """An error for a person: what failed and why, what to do, where the full log is."""
    lines = [f"error: {flow}: {error.message}" if flow else f"error: {error.message}"]
    lines += [f"  note: {note}" for note in getattr(error, "__notes__", ())]
    lines += [f"  hint: {error.hint}"] if error.hint else []
    lines += [f"  log:  {error.log}"] if error.log else []
    return "\n".join(lines)


def error_json(error: FlowyardError) -> str:
    """An error that ended the whole command, for a program."""
    return dumped({"error": error_entry(error)})
