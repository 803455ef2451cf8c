"""What a ship does about pins: make those that its flows call, and remove those that nothing names any more.

A pin is made, or found, before what names it is registered; so both happen under one lease, and so does removing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from flowyard.errors import FlowyardError
from flowyard.outcome import Outcome
from flowyard.plan import Action, Desired, FlowPlan
from flowyard.planning.docker_tasks import with_pins
from flowyard.ports import PrefectApi
from flowyard.registering.live import deployments_by_flow
from flowyard.registering.pins import ensure_pins
from flowyard.registering.pruning import Pins
from flowyard.registering.requests import delete_deployments
from flowyard.releasing.holder import Holder
from flowyard.releasing.lease import Terms, hold
from flowyard.releasing.limits import pins_limit

# Registering a flow takes a moment; one that died at it holds it for a minute.
_TERMS = Terms(wait=300.0, poll=0.2)


class Pinning:
    """The pins of one project on one target, as a ship of it deals with them."""

    def __init__(self, pins: Pins, holder: Holder) -> None:
        self._pins = pins
        self._holder = holder
        self._one_at_a_time = threading.Lock()  # this ship need not wait for itself by asking the server

    @contextmanager
    def held(self, desired: Desired) -> Iterator[None]:
        """Nobody else makes or removes pins meanwhile, where the flow has any. Raises OrderError, PrefectError."""
        if not desired.docker_tasks:
            yield
            return
        with self._one_at_a_time, self._lease():
            yield

    def ensured(self, api: PrefectApi, desired: Desired) -> Desired:
        """The flow with pins of all that it calls in the environment of its runs. Raises FlowFailed, PrefectError."""
        live = deployments_by_flow(api, self._pins.project, self._pins.target)
        pins = {
            task: ensure_pins(api, task, desired.inputs.calls[task], live.get(task, ()))
            for task in desired.docker_tasks
        }
        return with_pins(desired, pins)

    def pruned(self, api: PrefectApi, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """The outcomes, once pins that nothing names any more were removed; with a note where that failed: a flow
        is shipped without, and the next ship does it."""
        changed = [one for one in outcomes if one.error is None and one.plan.action is not Action.UNCHANGED]
        if not any(_calls(one.plan) for one in changed):
            return outcomes
        try:
            if self._pins.unneeded():
                with self._lease():  # once more: another ship may have made use of one
                    delete_deployments(api, [pin.id for pin in self._pins.unneeded()])
        except FlowyardError as error:
            text = f"pins of Docker tasks that nothing needs were not removed: {error.message}"
            noted = replace(changed[-1], notes=(*changed[-1].notes, text))
            return [noted if one is changed[-1] else one for one in outcomes]
        return outcomes

    @contextmanager
    def _lease(self) -> Iterator[None]:
        limit = pins_limit(self._pins.project, self._pins.target)
        with hold(self._pins.api, [limit], _TERMS, self._holder):
            yield


def _calls(plan: FlowPlan) -> bool:
    """Whether a flow calls others, or did."""
    return bool(plan.desired and plan.desired.docker_tasks) or any(live.calls for live in plan.live)
