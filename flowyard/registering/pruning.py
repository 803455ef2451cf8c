"""Pins that nothing names any more: which they are.

A pin that is removed cannot be called again, so all that may still want one is asked: every deployment of the
server, the newest release records of the flows that are deployed, and runs that are not finished.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowyard.deployed import project_tag
from flowyard.ports import PrefectApi
from flowyard.registering.live import by_flow
from flowyard.registering.pins import Pin, pins_of
from flowyard.releasing.history import all_deployments, records_of_all, unfinished_runs
from flowyard.releasing.records import ReleaseRecord
from flowyard.runtime.names import PINS_ENV
from flowyard.values import Json

KEPT_RELEASES = 20  # of each flow: what of its history can be gone back to with what it called


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of one project on one target."""

    api: PrefectApi
    project: str
    target: str

    def unneeded(self) -> Sequence[Pin]:
        """Those that nothing names any more. Raises PrefectError."""
        pins = pins_of(self.api, self.project, self.target)
        if pins:
            deployments = all_deployments(self.api)
            live = by_flow(deployments, self.project, self.target)
            ours = [one for of_flow in live.values() for one in of_flow]
            called = {call for one in ours for call in one.calls.items()}
            pins = [pin for pin in pins if (pin.flow, pin.release) not in called]
            pins = [pin for pin in pins if not any(_copies(one, pin) for one in deployments)]
        if pins:
            records = _by_flow(records_of_all(self.api, self.project, self.target))
            recorded = _recorded(records, live)
            pins = [pin for pin in pins if (pin.flow, pin.release) not in recorded]
        if pins:
            runs = unfinished_runs(self.api)
            running = {str(run["deployment_id"]) for run in runs}
            there = {str(one["id"]) for one in deployments}
            older = _called_by_older_runs(runs, {one.id: one.marks.flow for one in ours}, records)
            if any(self._lost_its_deployment(run, there) for run in runs):
                older |= {flow for history in records.values() for record in history for flow in record.calls}
            pins = [pin for pin in pins if pin.id not in running and pin.flow not in older]
        return pins

    def _lost_its_deployment(self, run: Mapping[str, Json], there: Collection[str]) -> bool:
        """Whether a deployment of ours was removed from under the run: of which flow, and what that called, only
        records could say. A run has its deployment's tags."""
        return str(run["deployment_id"]) not in there and project_tag(self.project) in run.get("tags", ())


def _copies(deployment: Mapping[str, Json], pin: Pin) -> bool:
    """Whether it names the pin in its environment, as a copy does that somebody made of a deployment of ours."""
    env = (deployment.get("job_variables") or {}).get("env") or {}
    return pin.id in str(env.get(PINS_ENV))


def _by_flow(records: Iterable[ReleaseRecord]) -> Mapping[str, list[ReleaseRecord]]:
    """The records of each flow, the newest first."""
    found: dict[str, list[ReleaseRecord]] = {}
    for record in records:
        found.setdefault(record.flow, []).append(record)
    return found


def _recorded(records: Mapping[str, list[ReleaseRecord]], deployed: Iterable[str]) -> set[tuple[str, str]]:
    """The flow and release of what the newest releases of the deployed flows called."""
    kept = [record for flow in deployed for record in records.get(flow, ())[:KEPT_RELEASES]]
    return {call for record in kept for call in record.calls.items()}


def _called_by_older_runs(
    runs: Iterable[Mapping[str, Json]], flows: Mapping[str, str], records: Mapping[str, list[ReleaseRecord]]
) -> set[str]:
    """What flows call that have a run which began before they were shipped last: with which pins, nobody can say.

    `flows` are the flows of our deployments, by id.
    """
    older: set[str] = set()
    for run in runs:
        history = records.get(flows.get(str(run["deployment_id"]), ""), [])
        began = run.get("start_time") or run.get("expected_start_time")
        if history and (not began or _time(began) < _time(history[0].created)):
            older |= {flow for record in history for flow in record.calls}
    return older


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
