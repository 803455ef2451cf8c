"""Which flows are not built at the same time, so that what they share is pushed once.

A build and its push are one command, and a layer that is being uploaded is not there yet for anybody else: builds
that begin together each upload the layer of Prefect. Only what is not known to be in the container registry is
waited for. A wrong guess costs bytes or a little time, never a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from flowyard.locking.locks import installed_locks
from flowyard.plan import FlowPlan

Result = TypeVar("Result")
Layers = frozenset[tuple[str, ...]]


class PushOrder:
    """What the container registry is known to hold: by what is deployed, and by what was shipped since."""

    def __init__(self, flows: Iterable[FlowPlan]) -> None:
        self._there: set[tuple[str, ...]] = set()
        for flow in flows:
            self._there |= _held(flow)

    def new(self, flow: FlowPlan) -> Layers:
        """The layers that shipping this flow may have to upload, and others with it."""
        return _wanted(flow) - self._there

    def noting(self, ship: Callable[[FlowPlan], Result]) -> Callable[[FlowPlan], Result]:
        """The worker, whose success says that the flow's layers are there."""

        def noted(flow: FlowPlan) -> Result:
            result = ship(flow)
            self._there |= _wanted(flow)
            return result

        return noted


def shared_layers(host: str, inputs: Mapping[str, str]) -> Layers:
    """What an image made of these inputs may share with others at this registry: its base, its system packages and
    the layer of each lock, which has one digest wherever it is made."""
    below = (host, inputs.get("base image", ""), inputs.get("platforms", ""))
    packages = inputs.get("system-packages")
    return frozenset({below, *((*below, part) for part in (*installed_locks(inputs), packages) if part)})


def _wanted(flow: FlowPlan) -> Layers:
    desired = flow.desired
    if desired is None:
        return frozenset()
    return shared_layers(desired.reference.repository.host, desired.inputs.image)


def _held(flow: FlowPlan) -> Layers:
    """What is there already for one flow: all of its image, or what it shares with the one that is deployed."""
    if flow.image is not None:
        return _wanted(flow)
    repositories = {live.marks.repository for live in flow.live if live.marks.repository}
    hosts = {repository.partition("/")[0] for repository in repositories}
    return frozenset().union(*(shared_layers(host, flow.released.image) for host in hosts))
