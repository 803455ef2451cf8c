"""The report as one HTML file: no server, no request to anywhere, also readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from flowyard.building.buildkit_progress import is_instruction
from flowyard.reporting.graph import HEIGHT, WIDTH, graph
from flowyard.texts import shown_seconds, shown_size
from flowyard.values import Json

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One step on a time line: where it begins and how wide it is, in percent."""

    left: float
    width: float
    step: Json


@dataclass(frozen=True, slots=True)
class Row:
    """One flow on the time line."""

    flow: str
    bars: tuple[Bar, ...]
    seconds: float
    cached: int
    failed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One layer in the bar of an image: its share of the largest image, and how many images have it."""

    layer: Json
    width: float
    shared: int


def page(document: dict[str, Json]) -> str:
    """The page for a document of `page_document`."""
    from jinja2 import Environment, StrictUndefined

    def part(name: str) -> str:
        return files("flowyard.reporting").joinpath(name).read_text("utf-8")

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"seconds": shown_seconds, "size": shown_size}
    script = part("page.js")
    flows = document["flows"]
    counts = Counter(layer["digest"] for flow in flows for layer in flow["layers"])
    return environment.from_string(part("page.html.j2")).render(
        document=document,
        data=embedded(document),
        style=part("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        began=datetime.fromtimestamp(document["began"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        counts={**document["counts"], **_step_counts(flows)},
        rows=rows(flows),
        total=_end(flows),
        images=images(flows, counts),
        shared=shared_layers(flows, counts),
        stored=sum(_sizes(flows).values()),
        graph=graph({flow["flow"]: tuple(flow["calls"]) for flow in flows}),
        box=(WIDTH, HEIGHT),
    )


def embedded(document: Json) -> str:
    """The document as JSON that cannot end the element of the page it stands in."""
    return "".join(_UNSAFE.get(character, character) for character in json.dumps(document))


def rows(flows: Iterable[Json]) -> tuple[Row, ...]:
    """The flows that were built, in the order in which they began."""
    flows = [flow for flow in flows if flow["steps"]]
    total = _end(flows) or 1.0
    found = []
    for flow in sorted(flows, key=lambda flow: min(step["began"] for step in flow["steps"])):
        steps = flow["steps"]
        begin = min(step["began"] for step in steps)
        found.append(
            Row(
                flow["flow"],
                tuple(
                    Bar(
                        round(_PERCENT * step["began"] / total, 3),
                        round(max(_PERCENT * step["seconds"] / total, 0.15), 3),
                        step,
                    )
                    for step in steps
                ),
                max(step["began"] + step["seconds"] for step in steps) - begin,
                sum(step["state"] == "cached" for step in _instructions(steps)),
                flow["error"] is not None,
            )
        )
    return tuple(found)


def images(flows: Iterable[Json], counts: Counter[str]) -> tuple[tuple[Json, int, tuple[Part, ...]], ...]:
    """Each flow whose layers are known, with the size of its image and its parts; the largest image first."""
    known = [flow for flow in flows if flow["layers"]]
    sizes = {flow["flow"]: sum(layer["size"] for layer in flow["layers"]) for flow in known}
    largest = max(sizes.values(), default=0) or 1
    return tuple(
        (
            flow,
            sizes[flow["flow"]],
            tuple(
                Part(layer, round(_PERCENT * layer["size"] / largest, 3), counts[layer["digest"]])
                for layer in flow["layers"]
            ),
        )
        for flow in sorted(known, key=lambda flow: -sizes[flow["flow"]])
    )


def shared_layers(flows: Iterable[Json], counts: Counter[str]) -> tuple[tuple[Json, int], ...]:
    """The layers that more than one image has, and how many have it; what saves most comes first."""
    by_digest = {layer["digest"]: layer for flow in flows for layer in flow["layers"]}
    shared = [(layer, counts[digest]) for digest, layer in by_digest.items() if counts[digest] > 1]
    return tuple(sorted(shared, key=lambda one: -one[0]["size"] * (one[1] - 1)))


def _sizes(flows: Iterable[Json]) -> dict[str, int]:
    return {layer["digest"]: layer["size"] for flow in flows for layer in flow["layers"]}


def _end(flows: Iterable[Json]) -> float:
    ends = (step["began"] + step["seconds"] for flow in flows for step in flow["steps"])
    return float(max(ends, default=0.0))


def _instructions(steps: Iterable[Json]) -> list[Json]:
    """Those that are counted, as at the end of a build: FROM and BuildKit's own steps never run anything."""
    return [step for step in steps if is_instruction(step["name"])]


def _step_counts(flows: Iterable[Json]) -> dict[str, int]:
    steps = [step for flow in flows for step in _instructions(flow["steps"])]
    return {"steps": len(steps), "cached": sum(step["state"] == "cached" for step in steps)}
