"""The cases of many flows: what is timed, beside whom, and what was asked for.

Every time is kept with the requests and bytes that went through the proxies meanwhile. It counts only when plan,
Prefect and the container registry name one digest for every flow afterwards; once a case, a run has to be of the
digest that its deployment names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.bench import say
from benchmarks.scale_bake import Baked
from benchmarks.scale_site import Ours, Peer, Site, installable
from benchmarks.timing import Timed
from tests.many_flows import WIDE, Shape, flow_name

ALONE = Shape(1, 1, 1, installable, first=900)
_COLD_ROUNDS = 2


@dataclass
class Side:
    """What one side of a case took: seconds of each counted run, how many of the processors' were stolen meanwhile, and
    what passed the proxies in the last one."""

    name: str
    seconds: list[float] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)
    prefect_requests: int = 0
    registry_requests: int = 0
    bytes_pushed: int = 0

    def add(self, site: Site, run: Callable[[], Timed]) -> None:
        """Run and keep what it took."""
        site.reset()
        took = run()
        self.seconds.append(took.seconds)
        self.stolen.append(took.stolen)
        self.prefect_requests = len(site.prefect.requests)
        self.registry_requests = len(site.registry.requests)
        self.bytes_pushed = site.registry.sent
        say(f"  {self.name}: {took}")


@dataclass(frozen=True)
class Asked:
    """What a case has to reach: seconds of ours at most, and how often they go into the other side's at least."""

    ratio: float
    seconds: float | None = None

    @property
    def text(self) -> str:
        """For a person."""
        ratio = f"ratio {self.ratio:.3g}"
        return ratio if self.seconds is None else f"{self.seconds:g} s, {ratio}"


@dataclass(frozen=True)
class Found:
    """A case, how many flows it is about, and its sides: ours first."""

    case: str
    flows: int
    sides: tuple[Side, ...]
    asked: Asked

    @property
    def ratio(self) -> float | None:
        """How often our time goes into the other side's; None when there is no other."""
        if len(self.sides) < 2:
            return None
        return median(self.sides[1].seconds) / median(self.sides[0].seconds)

    @property
    def reached(self) -> bool:
        """Whether what was measured is what was asked for."""
        in_time = self.asked.seconds is None or median(self.sides[0].seconds) <= self.asked.seconds
        return in_time and (self.ratio is None or self.ratio >= self.asked.ratio)


@dataclass
class Bench:
    """The site, what was asked for, and the repositories made so far: making one takes longest."""

    site: Site
    rounds: int
    peers: bool
    flows: int
    made: dict[str, Ours] = field(default_factory=dict)
    deployed: dict[str, Peer] = field(default_factory=dict)

    @property
    def many(self) -> Shape:
        """The large repository."""
        return Shape(self.flows, min(20, self.flows), max(1, self.flows * 3 // 10), installable)

    @property
    def few(self) -> Shape:
        """The small one."""
        flows = min(20, self.flows)
        return Shape(flows, min(5, flows), max(1, flows * 3 // 10), installable, first=500)

    def ours(self, name: str, shape: Shape) -> Ours:
        """A repository of ours that is shipped."""
        if name not in self.made:
            say(f"locking and shipping {shape.flows} flows")
            made = Ours(self.site, name, shape)
            say(f"  shipped for the first time in {made.deploy().seconds:.1f} s")
            made.check()
            self.made[name] = made
        return self.made[name]

    def peer(self, ours: Ours) -> Peer:
        """The same flows, deployed with the peer."""
        name = ours.folder.name
        if name not in self.deployed:
            say(f"deploying {ours.shape.flows} flows with the peer")
            made = Peer(self.site, ours)
            say(f"  deployed for the first time in {made.deploy().seconds:.1f} s")
            made.check()
            self.deployed[name] = made
        return self.deployed[name]


def nothing(bench: Bench, name: str, shape: Shape, asked: Asked) -> Found:
    """Ship again what is shipped."""
    ours = bench.ours(name, shape)
    sides = [Side(ours.name)]
    for _ in range(bench.rounds):
        sides[0].add(bench.site, ours.deploy)
    ours.check()
    ours.check_run(shape.first)
    if bench.peers:
        peer = bench.peer(ours)
        sides.append(Side(peer.name))
        for _ in range(1 if shape.flows > bench.few.flows else 2):  # a round takes a minute or two
            sides[1].add(bench.site, peer.deploy)
        peer.check()
    return Found(f"nothing changed, {shape.flows} flows", shape.flows, tuple(sides), asked)


def edit(bench: Bench) -> Found:
    """One flow edited among many, and alone."""
    many, alone = bench.ours("many", bench.many), bench.ours("alone", ALONE)
    edited = bench.many.flows // 2
    sides = Side(f"flowyard, one of {bench.many.flows}"), Side("flowyard, alone")
    for number in range(bench.rounds):
        for side, ours, flow in ((sides[0], many, edited), (sides[1], alone, ALONE.first)):
            ours.edit(f"flows/{flow_name(flow)}/flow.py", f"# edited {number}")
            side.add(bench.site, ours.deploy)
            ours.check()
    many.check_run(edited)
    return Found("one flow edited", 1, sides, Asked(1 / 1.5))


def shared(bench: Bench) -> Found:
    """A folder that 30 flows share edited, and plain bake of the same targets, each with an edit of its own."""
    many = bench.ours("many", bench.many)
    wide = bench.many.wide
    baked = Baked(many, [flow_name(number) for number in range(wide)])
    baked.run()
    sides = Side("flowyard"), Side("docker buildx bake")
    for number in range(bench.rounds):
        many.edit(f"{WIDE}/words.py", f"# edited for bake {number}")
        baked.stage()
        sides[1].add(bench.site, baked.run)
        many.edit(f"{WIDE}/words.py", f"# edited {number}")
        sides[0].add(bench.site, many.deploy)
        many.check()
    many.check_run(0)
    return Found(f"shared folder of {wide} edited", wide, sides, Asked(1 / 1.3))


def cold(bench: Bench) -> Found:
    """Everything new to builder and registry but the wheels; the peer and we take turns at being first."""
    shape = bench.few
    ours = bench.ours("few", shape)
    turns: list[tuple[Side, Ours | Peer]] = [(Side(ours.name), ours)]
    if bench.peers:
        turns.append((Side(Peer.name), bench.peer(ours)))
    for number in range(_COLD_ROUNDS):
        base = bench.site.bases.cold(bench.site.usual, number)
        for side, one in turns if number % 2 == 0 else turns[::-1]:
            one.use_base(base)
            side.add(bench.site, one.deploy)
            one.check()
    ours.check_run(shape.first)
    sides = tuple(side for side, _ in turns)
    return Found(
        f"cold, {shape.flows} flows, {shape.dependency_sets} dependency sets", shape.flows, sides, Asked(2)
    )


CASES: Mapping[str, Callable[[Bench], Found]] = {
    "nothing-20": lambda bench: nothing(bench, "few", bench.few, Asked(25, 0.5)),
    "nothing-100": lambda bench: nothing(bench, "many", bench.many, Asked(50, 1.0)),
    "edit": edit,
    "shared": shared,
    "cold": cold,
}
