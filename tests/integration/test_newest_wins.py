"""An older and a newer commit are shipped at once, in a hundred drawn orders: the newer one wins every time.

The steps are the real pipeline's, one call of a port at a time; server and registry are the fakes that the
contract tests hold against the real ones (test_races.py does the same with processes and the real ones).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from flowyard.building.pace import Pace
from flowyard.errors import OrderError
from flowyard.outcome import Outcome
from flowyard.pipeline import ship
from flowyard.planning.render_memo import RenderMemo
from flowyard.releasing.holder import Holder
from flowyard.releasing.order import Commit
from flowyard.releasing.records import read_head
from flowyard.yard import Yard
from tests.fakes import FakeContainerRegistry
from tests.fakes_builder import FakeBuilder
from tests.fakes_server import FakeServer
from tests.release_records import history, latest
from tests.support import FLOW, lock, make_project
from tests.turns import TurnApi, TurnBuilder, TurnClock, TurnRegistry, Turns
from tests.yard_site import Site, described

BASE, OLDER, NEWER = "1" * 40, "2" * 40, "3" * 40
FLOWS = ("etl", "hello")
# What a flow may be at a commit: its source and its flow.toml; None: there is no such flow.
EDITIONS: Mapping[str, tuple[str, str] | None] = {
    "first": (FLOW, "[deployments.daily]\n"),
    "edited": (FLOW + "# edited\n", "[deployments.daily]\n"),
    "two": (FLOW, "[deployments.daily]\n[deployments.weekly]\n"),
    "gone": None,
}
Tree = tuple[str, ...]  # the edition of each of FLOWS


@pytest.fixture(scope="module")
def yards(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Tree, Yard]:
    """A checkout of every combination of editions, each loaded once; what they ship to is filled in later."""
    made: dict[Tree, Yard] = {}
    for tree in ((one, other) for one in EDITIONS for other in EDITIONS):
        files: dict[str, str | None] = {"flows/hello/flow.py": None}
        for name, edition in zip(FLOWS, tree, strict=True):
            content = EDITIONS[edition]
            if content is not None:
                files |= {f"flows/{name}/flow.py": content[0], f"flows/{name}/flow.toml": content[1]}
        root = tmp_path_factory.mktemp("tree") / "project"
        make_project(root, files)
        if tree[1] == "gone":
            (root / "flows/hello").rmdir()
        lock(root)
        yard = Site(root).yard()
        made[tree] = replace(
            yard, workshop=replace(yard.workshop, render=RenderMemo(root.parent / "rendered"))
        )
    return made


class World:
    """A server and a registry, and the checkouts that are shipped to them."""

    def __init__(self, yards: Mapping[Tree, Yard]) -> None:
        self.server = FakeServer()
        self.registry = FakeContainerRegistry()
        self._yards = yards

    def yard(self, tree: Tree, commit: str, turns: Turns | None = None) -> Yard:
        """This checkout at this commit; with turns, whatever it asks waits for its own."""
        yard = self._yards[tree]
        folder = yard.workshop.contexts.parent / commit
        builder = FakeBuilder(self.registry, described)
        workshop = replace(
            yard.workshop, builder=builder, commit=lambda paths: Commit(commit, dirty=False), contexts=folder
        )
        yard = replace(yard, workshop=workshop, api=self.server, registry=self.registry, pace=Pace(1))
        if turns is None:
            return yard
        return replace(
            yard,
            workshop=replace(workshop, builder=TurnBuilder(turns, commit, builder)),
            api=TurnApi(turns, commit, self.server),
            registry=TurnRegistry(turns, commit, self.registry),
            holder=Holder(TurnClock(turns, commit)),
        )

    def ship(self, tree: Tree, commit: str, turns: Turns | None = None) -> tuple[Outcome, ...]:
        yard = self.yard(tree, commit, turns)
        return ship(yard, yard.project.flows, whole=True)

    def state(self) -> dict[str, Any]:
        """What runs, from the server's and the registry's own tables, without ids, times and who was first."""
        kept = ("entrypoint", "parameters", "schedules", "tags", "job_variables", "paused")
        marks = ("flowyard.flow", "flowyard.image", "flowyard.key", "flowyard.spec")
        return {
            name: {key: row[key] for key in kept} | {mark: row["labels"][mark] for mark in marks}
            for name, row in self.server.by_name().items()
        }


@pytest.mark.parametrize("seed", range(100))
def test_newest_wins(seed: int, yards: Mapping[Tree, Yard]) -> None:
    drawn = random.Random(seed)
    base, older, newer = (tuple(drawn.choice(list(EDITIONS)) for _ in FLOWS) for _ in range(3))
    world, alone = World(yards), World(yards)
    for one in (world, alone):
        one.ship(base, BASE)
    alone.ship(newer, NEWER)

    outcomes: dict[str, tuple[Outcome, ...]] = {}
    turns = Turns(seed)
    turns.run(
        {
            OLDER: lambda: outcomes.update(older=world.ship(older, OLDER, turns)),
            NEWER: lambda: outcomes.update(newer=world.ship(newer, NEWER, turns)),
        }
    )
    assert [one.error for one in outcomes["newer"]] == [None] * len(outcomes["newer"])
    assert {type(one.error) for one in outcomes["older"]} <= {type(None), OrderError}
    assert world.state() == alone.state()
    heads = read_head(world.server, "acme", "local")
    for name, edition in zip(FLOWS, newer, strict=True):
        if edition != "gone":
            assert heads.commits[name] == NEWER
            record = latest(world.server, "acme", "local", name)
            assert record is not None
            assert heads.releases[name] == f"{record.key}/{record.spec}"
        elif heads.commits.get(name) is not None:
            assert name not in heads.releases
    for name in FLOWS:
        records = history(world.server, "acme", "local", name)
        assert len({(record.commit, record.key, record.spec) for record in records}) == len(records)
    assert world.server.leases == {}
    assert {limit["active_slots"] for limit in world.server.limits.values()} <= {0}


def test_the_same_seed_is_the_same_order_and_others_are_others(yards: Mapping[Tree, Yard]) -> None:
    def order(seed: int) -> tuple[str, ...]:
        world, turns = World(yards), Turns(seed)
        world.ship(("first", "first"), BASE)
        turns.run(
            {
                OLDER: lambda: world.ship(("edited", "first"), OLDER, turns),
                NEWER: lambda: world.ship(("two", "edited"), NEWER, turns),
            }
        )
        return tuple(turns.drawn)

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(5)}) == 5
