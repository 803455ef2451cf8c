"""Reads BuildKit's `rawjson` progress: what each step of one build did, as events and as a final state.

BuildKit's own records say which step ran, was cached or failed, so nobody has to read prose for it. They come
one document per line from newer buildx and indented over several lines from 0.13, with plain text between.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from flowyard.building.status_documents import StatusDecoder
from flowyard.building.timeline import StepTime
from flowyard.runtime.names import CHECK_PREFIX
from flowyard.values import Json

TAIL_LINES = 12

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_INSTRUCTION = re.compile(r"\[(?!internal\]|auth\])[^\]]*\] (?!FROM )")
_CANCELLED = "context canceled"
_CACHE = re.compile(r"importing cache manifest from |exporting cache ")
_NOT_THERE_YET = re.compile(r"\bnot found$|\bname unknown\b|\bmanifest unknown\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step began or ended. `number` counts the steps of one build from 1; `seconds` is its run time."""

    number: int
    name: str
    state: Literal["started", "done", "cached", "failed"]
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """One line a step printed, `seconds` after the step began."""

    number: int
    text: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TextEvent:
    """A line that belongs to no step: a warning, or what buildx itself says at the end."""

    text: str


Event = StepEvent | OutputEvent | TextEvent


@dataclass(frozen=True, slots=True)
class FailedStep:
    """The step that ended the build, the last lines it printed, and the check's finding among them.

    `check` is the JSON text after `flowyard-check: `, or None.
    """

    name: str
    error: str
    tail: tuple[str, ...]
    check: str | None


@dataclass(slots=True)
class _Step:
    name: str
    number: int = 0
    started: str = ""
    completed: str = ""
    state: Literal["waiting", "started", "done", "cached", "failed"] = "waiting"
    error: str = ""
    check: str | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    partial: dict[int, bytes] = field(default_factory=dict)


class BuildReader:
    """The state of one build, kept up by `read`. Lines come without their line break."""

    def __init__(self) -> None:
        self._decoder = StatusDecoder()
        self._steps: dict[str, _Step] = {}
        self._texts: deque[str] = deque(maxlen=4 * TAIL_LINES)
        self._first_failed: _Step | None = None
        self._cache_failed: list[_Step] = []
        self._begun = 0

    def read(self, line: str) -> tuple[Event, ...]:
        """What this line tells; often nothing yet, since a document may span many lines."""
        found = self._decoder.feed(line)
        if isinstance(found, dict):
            return tuple(self._status(found))
        if isinstance(found, str):
            return self._text(found)
        return ()

    def finish(self) -> tuple[Event, ...]:
        """What is left when the stream has ended."""
        return tuple(event for line in self._decoder.finish() for event in self._text(line))

    @property
    def began(self) -> bool:
        """Whether BuildKit reported any step: if not, buildx never got as far as the engine."""
        return bool(self._steps)

    @property
    def steps(self) -> int:
        """How many Dockerfile instructions the build has, FROM not counted: it never runs anything."""
        return sum(1 for step in self._steps.values() if _INSTRUCTION.match(step.name))

    @property
    def cached_steps(self) -> int:
        """How many of `steps` came from the cache."""
        cached = (step for step in self._steps.values() if step.state == "cached")
        return sum(1 for step in cached if _INSTRUCTION.match(step.name))

    @property
    def times(self) -> tuple[StepTime, ...]:
        """When the steps ran that have begun, in the order in which they did."""
        begun = (_time(step) for step in self._steps.values() if step.started)
        return tuple(sorted(begun, key=lambda time: time.began))

    @property
    def pushing(self) -> bool:
        """Whether the engine came as far as pushing the image in a step of its own."""
        return any(is_push(step.name) for step in self._steps.values())

    def failed(self) -> FailedStep | None:
        """The step that ended the build; None when all went well or buildx itself failed."""
        step = self._first_failed
        return None if step is None else FailedStep(step.name, step.error, tuple(step.tail), step.check)

    @property
    def cache_errors(self) -> tuple[str, ...]:
        """What failed of caches outside the builder. That there is none to read yet is no failure."""
        failed = (f"{step.name}: {step.error}" for step in self._cache_failed if not _is_first(step))
        return tuple(dict.fromkeys(failed))

    def error_text(self) -> str:
        """What buildx said at the end: the text from `ERROR:` on, or all of it. May be empty."""
        lines = list(self._texts)
        starts = [index for index, line in enumerate(lines) if line.startswith("ERROR: ")]
        text = "\n".join(lines[starts[-1] :] if starts else lines)
        return text.removeprefix("ERROR: ").removeprefix("failed to solve: ").strip()

    def _text(self, line: str) -> tuple[Event, ...]:
        clean = _clean(line)
        self._texts.append(clean)
        return (TextEvent(clean),)

    def _status(self, status: dict[str, Json]) -> Iterator[Event]:
        # One document may hold a step's beginning, its output and its end: they are told in that order.
        vertices = status.get("vertexes") or ()
        for vertex in vertices:
            yield from self._begin(vertex)
        for entry in status.get("logs") or ():
            yield from self._output(entry)
        for vertex in vertices:
            yield from self._end(vertex)
        for warning in status.get("warnings") or ():
            yield TextEvent(f"warning: {_clean(_decode(warning.get('short')).decode(errors='replace'))}")

    def _begin(self, vertex: dict[str, Json]) -> Iterator[Event]:
        name = " ".join(_clean(vertex["name"]).split())
        step = self._steps.setdefault(vertex["digest"], _Step(name))
        started = vertex.get("started") or ""
        if started and not step.number:
            self._begun += 1  # in the order they begin: BuildKit declares them from the last to the first
            step.number = self._begun
        if started and step.state == "waiting" and not vertex.get("cached"):
            step.state = "started"
            yield StepEvent(step.number, step.name, "started")
        step.started = started or step.started

    def _end(self, vertex: dict[str, Json]) -> Iterator[Event]:
        step = self._steps[vertex["digest"]]
        completed = vertex.get("completed") or ""
        if not completed or completed == step.completed:
            return
        step.completed = completed
        yield from self._flush(step)
        step.error = _clean(vertex.get("error") or "")
        before = step.state
        step.state = "failed" if step.error else "cached" if vertex.get("cached") else "done"
        if step.error and _CACHE.match(step.name):
            self._cache_failed.append(step)  # which no build ends of
        elif step.error and (self._first_failed is None or _gave_up(self._first_failed)):
            self._first_failed = step
        if step.state != before:  # BuildKit's own steps run twice: to find their cache key, then for real
            seconds = _seconds_between(step.started, completed)
            yield StepEvent(step.number, step.name, step.state, seconds, step.error)

    def _output(self, entry: dict[str, Json]) -> Iterator[Event]:
        step = self._steps.get(entry["vertex"])
        if step is None:
            return
        stream = int(entry.get("stream") or 1)
        *lines, rest = (step.partial.get(stream, b"") + _decode(entry.get("data"))).split(b"\n")
        step.partial[stream] = rest
        seconds = _seconds_between(step.started, entry.get("timestamp") or "")
        for line in lines:
            yield _printed(step, line, seconds)

    def _flush(self, step: _Step) -> Iterator[Event]:
        for rest in filter(None, step.partial.values()):
            yield _printed(step, rest, _seconds_between(step.started, step.completed))
        step.partial.clear()


def _time(step: _Step) -> StepTime:
    began = datetime.fromisoformat(step.started).timestamp()
    return StepTime(step.name, step.state, began, _seconds_between(step.started, step.completed))


def is_push(name: str) -> bool:
    """Whether a step of this name is the engine's own push (the docker driver has one per tag)."""
    return name.startswith("pushing ")


def is_instruction(name: str) -> bool:
    """Whether a step of this name is a Dockerfile instruction that runs, unlike FROM and BuildKit's own."""
    return _INSTRUCTION.match(name) is not None


def log_line(event: Event) -> str:
    """One line of the readable log: `#4 [check 1/2] RUN ...`, `#4 0.157 text`, `#4 done in 1.2 s`."""
    match event:
        case TextEvent(text):
            return text
        case OutputEvent(number, text, seconds):
            return f"#{number} {seconds:.3f} {text}"
        case StepEvent(state="started"):
            return f"#{event.number} {event.name}"
        case StepEvent(state="cached"):
            return f"#{event.number} cached {event.name}"
        case StepEvent(state="failed"):
            return f"#{event.number} failed after {event.seconds:.1f} s: {event.error}"
        case StepEvent():
            return f"#{event.number} done in {event.seconds:.1f} s"


def _printed(step: _Step, line: bytes, seconds: float) -> OutputEvent:
    # A progress bar overwrites its line with carriage returns: its last state is the one to keep.
    text = _clean(line.rstrip(b"\r").rsplit(b"\r", 1)[-1].decode("utf-8", "replace"))
    step.tail.append(text)
    if text.startswith(CHECK_PREFIX):
        step.check = text.removeprefix(CHECK_PREFIX)
    return OutputEvent(step.number, text, seconds)


def _is_first(step: _Step) -> bool:
    """Whether a cache was to be read that nobody has written."""
    return step.name.startswith("importing ") and _NOT_THERE_YET.search(step.error) is not None


def _gave_up(step: _Step) -> bool:
    """Whether the step was cancelled because another one failed."""
    return step.error.endswith(_CANCELLED)


def _decode(data: str | None) -> bytes:
    return base64.b64decode(data or "")


def _clean(text: str) -> str:
    """Without colours and other control characters: it goes to a log and to the terminal."""
    return _CONTROL.sub("", text)


def _seconds_between(start: str, end: str) -> float:
    if not start or not end:
        return 0.0
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
