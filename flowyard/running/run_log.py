"""The log of a run that is followed, as the Prefect server has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta

from flowyard.paging import read_all
from flowyard.ports import PrefectApi, Timer
from flowyard.running.delay import RUN_LOGGER
from flowyard.running.task_watch import began
from flowyard.runtime.names import START_LOGGER
from flowyard.values import Json

LAST_LINE_SECONDS = 3.0  # Prefect's clients send lines in batches, up to two seconds late
LAST_LINE_POLL_SECONDS = 0.2
_LATE = timedelta(seconds=20)  # a line can reach the server so much later than one that was written after it
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_CRASH_TOLD = "Execution was "  # begins the message of a crash that the engine itself lived to tell


class RunLog:
    """The log lines of a run, each said once.

    Worker, runner and flow send theirs apart and in batches, so a line can come after one that is younger:
    the last seconds are asked for again, and lines are known by their id.
    """

    def __init__(self, api: PrefectApi, run: str, say: Callable[[str], None], clock: Timer) -> None:
        self._api = api
        self._clock = clock
        self._run = run
        self._say = say
        self._said: set[str] = set()
        self._texts: set[str] = set()
        self._engines: list[str] = []
        self._newest: datetime | None = None

    @property
    def texts(self) -> Set[str]:
        """What the lines said so far."""
        return self._texts

    def say_new(self) -> None:
        """Say the lines that are new."""
        new = [log for log in self._recent() if log["id"] not in self._said]
        for log in new:
            name, text = str(log["name"]), str(log["message"])
            self._said.add(log["id"])
            self._texts.add(text)
            if name == RUN_LOGGER:
                self._engines.append(text)
            if not name.startswith(START_LOGGER):
                self._say(f"  {_LEVELS.get(log['level'], log['level'])} {text}")
        times = [datetime.fromisoformat(log["timestamp"]) for log in new]
        self._newest = max([*times, *([self._newest] if self._newest else [])], default=None)

    def say_last(self, run: Mapping[str, Json]) -> None:
        """Say the lines of a run that ended which come after its final state, up to the engine's last one."""
        if not _tells_its_end(run):
            return
        last = f"Finished in state {run['state']['name']}("
        deadline = self._clock.monotonic() + LAST_LINE_SECONDS
        while not self._has(last) and self._clock.monotonic() < deadline:
            self._clock.sleep(LAST_LINE_POLL_SECONDS)
            self.say_new()

    def _has(self, beginning: str) -> bool:
        return any(text.startswith(beginning) for text in self._engines)

    def _recent(self) -> list[Mapping[str, Json]]:
        wanted: dict[str, Json] = {"flow_run_id": {"any_": [self._run]}}
        if self._newest is not None:
            wanted["timestamp"] = {"after_": (self._newest - _LATE).isoformat()}
        return read_all(self._api, "/logs/filter", {"logs": wanted, "sort": "TIMESTAMP_ASC"})


def _tells_its_end(run: Mapping[str, Json]) -> bool:
    """Whether Prefect's engine had the run, and said in which state it ended: a container that is killed, or never
    started, says nothing."""
    kind = run["state"]["type"]
    if kind == "CRASHED":
        return str(run["state"].get("message") or "").startswith(_CRASH_TOLD)
    return kind in ("COMPLETED", "FAILED") and (began(run) or bool(run.get("infrastructure_pid")))
