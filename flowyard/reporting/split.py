"""Splits flows into groups for jobs that run side by side.

Flows that call each other stay together, as the caller needs what it calls; flows with the same dependencies
stay near each other, as a job builds the layer they have in common only once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowyard.reporting.account import FlowAccount


def split(flows: Iterable[FlowAccount], groups: int) -> tuple[tuple[str, ...], ...]:
    """The names of the flows in at most so many groups of nearly the same size; none of them is empty."""
    clusters = _clusters({flow.flow: flow for flow in flows})
    total = sum(map(len, clusters))
    made: list[list[str]] = []
    begun = 0
    for cluster in clusters:
        # The share of all flows that came before says which group it is: each gets its part of the whole.
        number = begun * groups // max(total, 1)
        while len(made) <= number:
            made.append([])
        made[number] += cluster
        begun += len(cluster)
    return tuple(tuple(group) for group in made if group)


def _clusters(flows: Mapping[str, FlowAccount]) -> list[list[str]]:
    """Flows that call each other, in any way; those with the same dependencies one after the other."""
    first = {name: name for name in flows}

    def root(name: str) -> str:
        while first[name] != name:
            name = first[name]
        return name

    for name, flow in flows.items():
        for called in flow.calls:
            if called in flows:
                first[root(name)] = root(called)
    found: dict[str, list[str]] = {}
    for name in sorted(flows):
        found.setdefault(root(name), []).append(name)
    return sorted(found.values(), key=lambda names: (flows[names[0]].layer, names))
