"""`benchmarks/scale.py`: many flows, side by side with `prefect deploy --all` and with plain `docker buildx bake`.

Every time is kept with the requests and bytes that went through the proxies meanwhile, and counts only when plan,
Prefect and the container registry name one digest for every flow afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.bench import say
from benchmarks.report import machine, table
from benchmarks.scale_bake import Baked
from benchmarks.scale_site import Ours, Peer, Site, installable, opened
from benchmarks.site_folder import ROOT
from benchmarks.timing import Timed
from tests.many_flows import WIDE, Shape, flow_name

FEW = Shape(20, 5, 6, installable, first=500)
ALONE = Shape(1, 1, 1, installable, first=900)


def _shape(flows: int) -> Shape:
    """The large repository; a smaller one shows only whether all of it works."""
    return Shape(flows, min(20, flows), flows * 3 // 10, installable)


@dataclass
class Side:
    """What one side of a case took: seconds of each counted run, and what passed the proxies in the last one."""

    name: str
    seconds: list[float] = field(default_factory=list)
    prefect_requests: int = 0
    registry_requests: int = 0
    bytes_pushed: int = 0

    def add(self, site: Site, run: Callable[[], Timed]) -> None:
        """Run and keep what it took."""
        site.reset()
        self.seconds.append(run().seconds)
        self.prefect_requests = len(site.prefect.requests)
        self.registry_requests = len(site.registry.requests)
        self.bytes_pushed = site.registry.sent
        say(f"  {self.name}: {self.seconds[-1]:.2f} s")


@dataclass(frozen=True)
class Found:
    """A case, how many flows it is about, and its sides: ours first."""

    case: str
    flows: int
    sides: tuple[Side, ...]

    @property
    def ratio(self) -> float | None:
        """How often our time goes into the other side's."""
        if len(self.sides) < 2:
            return None
        return median(self.sides[1].seconds) / median(self.sides[0].seconds)


@dataclass
class Bench:
    """The site, what was asked for, and the repositories made so far: making one takes longest."""

    site: Site
    rounds: int
    peers: bool
    many: Shape
    made: dict[str, Ours] = field(default_factory=dict)

    def ours(self, name: str, shape: Shape) -> Ours:
        """A repository of ours that is shipped."""
        if name not in self.made:
            say(f"locking and shipping {shape.flows} flows")
            self.made[name] = Ours(self.site, name, shape)
            self.made[name].deploy()
            self.made[name].check()
        return self.made[name]


def nothing(bench: Bench, name: str, shape: Shape) -> Found:
    """Ship again what is shipped."""
    ours = bench.ours(name, shape)
    sides = [Side(ours.name)]
    for _ in range(bench.rounds):
        sides[0].add(bench.site, ours.deploy)
    ours.check()
    if bench.peers:
        peer, sides = Peer(bench.site, ours), [*sides, Side(Peer.name)]
        say("deploying with the peer")
        peer.deploy()
        for _ in range(1 if shape.flows > FEW.flows else 2):  # a round takes a minute or two
            sides[1].add(bench.site, peer.deploy)
        peer.check()
    return Found(f"nothing changed, {shape.flows} flows", shape.flows, tuple(sides))


def edit(bench: Bench) -> Found:
    """One flow edited among many, and alone."""
    many, alone = bench.ours("many", bench.many), bench.ours("alone", ALONE)
    sides = Side(f"flowyard, one of {bench.many.flows}"), Side("flowyard, alone")
    for number in range(bench.rounds):
        for side, ours, flow in ((sides[0], many, bench.many.flows // 2), (sides[1], alone, ALONE.first)):
            ours.edit(f"flows/{flow_name(flow)}/flow.py", f"# edited {number}")
            side.add(bench.site, ours.deploy)
            ours.check()
    return Found("one flow edited", 1, sides)


def shared(bench: Bench) -> Found:
    """A folder that 30 flows share edited, and plain bake of the same targets, each with an edit of its own."""
    many = bench.ours("many", bench.many)
    baked = Baked(many, [flow_name(number) for number in range(bench.many.wide)])
    baked.run()
    sides = Side("flowyard"), Side("docker buildx bake")
    for number in range(bench.rounds):
        many.edit(f"{WIDE}/words.py", f"# edited for bake {number}")
        baked.stage()
        sides[1].add(bench.site, baked.run)
        many.edit(f"{WIDE}/words.py", f"# edited {number}")
        sides[0].add(bench.site, many.deploy)
        many.check()
    return Found(f"shared folder of {bench.many.wide} edited", bench.many.wide, sides)


def cold(bench: Bench) -> Found:
    """Everything new to builder and registry but the wheels; the peer and we take turns at being first."""
    ours = bench.ours("few", FEW)
    peer = Peer(bench.site, ours)
    peer.deploy()
    sides = Side(ours.name), Side(peer.name)
    for number in range(2):
        base = bench.site.bases.cold(bench.site.usual, number)
        turns: list[tuple[Side, Ours | Peer]] = [(sides[0], ours), (sides[1], peer)]
        for side, one in turns if number % 2 == 0 else turns[::-1]:
            one.use_base(base)
            side.add(bench.site, one.deploy)
            one.check()
    return Found("cold, 20 flows, 5 dependency sets", FEW.flows, sides)


CASES: Mapping[str, Callable[[Bench], Found]] = {
    "nothing-20": lambda bench: nothing(bench, "few", FEW),
    "nothing-100": lambda bench: nothing(bench, "many", bench.many),
    "edit": edit,
    "shared": shared,
    "cold": cold,
}


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, keep every run; the exit code."""
    options = _options(argv)
    chosen = options.case or list(CASES)
    found: list[Found] = []
    with (
        tempfile.TemporaryDirectory(prefix="flowyard-scale-") as folder,
        opened(Path(folder), options.delay / 1000) as site,
    ):
        bench = Bench(site, options.rounds, options.peers, _shape(options.flows))
        for case in chosen:
            say(f"case {case}")
            found.append(CASES[case](bench))
            print(_table(found[-1:]), flush=True)
    print(f"\nEach request held back by {options.delay:g} ms.\n\n{_table(found)}")
    _keep(found, options.delay, "" if options.case is None else "-" + "-".join(chosen))
    return 0


def _table(found: Sequence[Found]) -> str:
    head = (
        "case",
        "side",
        "s (all runs)",
        "s a flow",
        "ratio",
        "to Prefect",
        "to the registry",
        "bytes pushed",
    )
    return table(head, [row for one in found for row in _rows(one)])


def _rows(found: Found) -> Iterator[tuple[str, ...]]:
    for side in found.sides:
        first, middle = side is found.sides[0], median(side.seconds)
        runs = ", ".join(f"{one:.2f}" for one in side.seconds)
        yield (
            found.case if first else "",
            side.name,
            f"{middle:.2f} ({runs})",
            f"{middle / found.flows:.3f}",
            f"{found.ratio:.2f}" if first and found.ratio else "",
            str(side.prefect_requests),
            str(side.registry_requests),
            f"{side.bytes_pushed:,}",
        )


def _keep(found: Sequence[Found], delay: float, part: str) -> None:
    slow = f"-{delay:g}ms" if delay else ""
    file = ROOT / "benchmarks/results" / f"{datetime.now(UTC):%Y-%m-%d}-scale{part}{slow}.json"
    content = {"machine": machine(), "delay": delay, "cases": [asdict(one) for one in found]}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    say(f"all single runs are in benchmarks/results/{file.name}")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ship many flows, side by side with others.")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; repeatable")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds of ours; default: 5")
    parser.add_argument("--flows", type=int, default=100, help="of the large repository; fewer for a trial")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds each request is held back")
    parser.add_argument(
        "--no-peer", dest="peers", action="store_false", help="leave `prefect deploy` out of `nothing`"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
