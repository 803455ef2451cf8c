"""Tasks that are what a test says they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowyard.errors import AwsError
from flowyard.running.task_watch import LogPlace, TaskState


@dataclass
class FakeTasks:
    """As Tasks: states by place, one after the other, the last one for ever. `refused` is what AWS says instead."""

    states: dict[str, list[TaskState]] = field(default_factory=dict)
    logs: dict[str, LogPlace] = field(default_factory=dict)  # by task definition
    written: dict[LogPlace, list[str]] = field(default_factory=dict)
    refused: AwsError | None = None
    asked: list[str] = field(default_factory=list)

    def describe(self, place: str) -> TaskState | None:
        self._ask("describe")
        known = self.states.get(place, [])
        return known.pop(0) if len(known) > 1 else next(iter(known), None)

    def log(self, task: TaskState) -> LogPlace | None:
        self._ask("log")
        return self.logs.get(task.definition)

    def lines(self, place: LogPlace, most: int) -> tuple[str, ...]:
        self._ask("lines")
        return tuple(self.written.get(place, [])[-most:])

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.refused is not None:
            raise self.refused
