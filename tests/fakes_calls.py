"""A place for calls whose runs end as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowyard.runtime.storage import Storage
from flowyard.runtime.tasks.callers import Caller
from flowyard.runtime.tasks.child import outcome_key
from flowyard.runtime.tasks.outcome import Ended
from flowyard.runtime.tasks.pins import Pin
from flowyard.runtime.tasks.runs import Begun, Pinned, Place, Request

SCHEMA: Mapping[str, Any] = {"type": "object", "properties": {"value": {"position": 0}}}


class Memory:
    """As Storage, for small files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def scratch(self) -> Path:
        raise NotImplementedError

    def put(self, key: str, source: bytes | Path) -> None:
        assert isinstance(source, bytes)
        self.files[key] = source

    def read(self, key: str) -> bytes:
        if key not in self.files:
            raise FileNotFoundError(key)
        return self.files[key]

    def fetched(self, key: str) -> AbstractContextManager[Path]:
        raise NotImplementedError

    def has(self, key: str) -> bool:
        return key in self.files


@dataclass
class FakeRuns:
    """As Catalogue, Runs and Accounts. Runs are numbered as they are begun; one ends when `end` is called."""

    storage: Storage = field(default_factory=Memory)
    first: list[Begun] = field(default_factory=list)  # what beginning gives, before it gives new runs
    made: list[Request] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, Future[Ended]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    schema: Mapping[str, Any] = field(default_factory=lambda: SCHEMA)

    @property
    def place(self) -> Place:
        return Place(self, self, self, lambda: self.storage)

    def pinned(self, task: str, deployment: str | None) -> Pinned:
        return Pinned(Pin(task, deployment or "default", "1", "image"), self.schema)

    def begin(self, request: Request, caller: Caller | None) -> Begun:
        with self.changed:
            self.made.append(request)
            self.changed.notify_all()
            return self.first.pop(0) if self.first else Begun(f"run-{len(self.made)}")

    def end_of(self, run: Begun, request: Request, patience: float) -> Future[Ended]:
        with self.changed:
            return self.ends.setdefault(run.id, Future())

    def cancel(self, run: str, why: str) -> None:
        self.cancelled.append((run, why))
        self.end(run, "CANCELLED", message=why)

    def why_waiting(self, run: str) -> str:
        return "nobody is there"

    def repeat_log(self, run: str, task: str) -> None:
        raise NotImplementedError

    def end(self, run: str, type: str = "COMPLETED", value: Any = None, message: str = "") -> None:
        """Have the run end."""
        self.storage.put(outcome_key(run), json.dumps({"value": value}).encode())
        with self.changed:
            future = self.ends.setdefault(run, Future())
        if not future.done():
            future.set_result(Ended("clean", run, type, type.title(), message))

    def until_made(self, count: int) -> None:
        """Wait for so many runs."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.made) >= count, 10)
