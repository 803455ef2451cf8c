"""Where the time from the trigger of a run to the first line of its flow went.

Read off what the Prefect server holds anyway, and the points that the image's runtime part notes in the run's
log. What nobody noted is not guessed: its phase is joined with the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from flowyard.errors import Refused
from flowyard.ports import PrefectApi
from flowyard.running.task_watch import TaskState
from flowyard.runtime.names import START_LOGGER
from flowyard.values import Json

RUN_LOGGER = "prefect.flow_runs"
_EVENTS = {
    "prefect.worker.submitted-flow-run": "submitted",
    "prefect.docker.container.created": "created",
}
# Each point a run comes to, and what the time before it was spent on.
_TAKEN = (("free", "queue"), ("taken", "worker poll"))
_IN_THE_CONTAINER = (
    ("container", "container start"),
    ("importing", "Prefect's start"),
    ("imported", "imports"),
    ("first line", "engine"),
)
_POINTS = (*_TAKEN, ("submitted", "submission"), ("created", "pull"), *_IN_THE_CONTAINER)
# Of a run in an ECS task: the names of the points are those of its API.
_TASK_POINTS = (
    *_TAKEN,
    ("createdAt", "submission"),
    ("pullStartedAt", "provisioning"),
    ("pullStoppedAt", "pull"),
    *_IN_THE_CONTAINER,
)
_QUICKLY_TAKEN = 2.0  # seconds; whoever waited longer may have waited for a slot
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Phase:
    """What some seconds were spent on; several names are joined where the point between them is not known."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from the trigger to the flow's first line and to its state Running, and the phases."""

    seconds: float
    to_running: float
    phases: tuple[Phase, ...]


Moments = Mapping[str, float]


def measure(api: PrefectApi, run: str, task: TaskState | None = None) -> Delay | None:
    """The delay of a flow run, None when it never ran. Raises PrefectError.

    `task` is the one of ECS it ran in. To be asked when the run has ended: worker and container send what they
    noted a moment late.
    """
    states = api.request("GET", f"/flow_run_states/?flow_run_id={run}")
    only_it = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": _PAGE}
    logs = api.request("POST", "/logs/filter", only_it)
    found = {**(task.moments if task else {}), **moments(states, logs, _events(api, run))}
    if found.get("taken", 0.0) - found.get("free", 0.0) > _QUICKLY_TAKEN:
        freed = _slot_freed(api, run, found)
        found = found if freed is None else {**found, "free": freed}
    return delay(found)


def moments(
    states: Iterable[Mapping[str, Json]],
    logs: Iterable[Mapping[str, Json]],
    events: Iterable[Mapping[str, Json]],
) -> dict[str, float]:
    """Which point was reached when, in seconds since the epoch: of the first attempt, as far as known."""
    found: dict[str, float] = {}
    for state in sorted(states, key=lambda one: _seconds(one["timestamp"])):
        at = _seconds(state["timestamp"])
        if state["type"] == "SCHEDULED" and "running" not in found:
            found.setdefault("triggered", at)
            # Put back, as when a concurrency limit is reached, or to be run later: it waited until then.
            found["free"] = max(at, _seconds((state.get("state_details") or {}).get("scheduled_time")))
            found.pop("taken", None)
        elif state["type"] == "PENDING":
            found.setdefault("taken", at)
        elif state["type"] == "RUNNING":
            found.setdefault("running", at)
    for event in sorted(events, key=lambda one: _seconds(one["occurred"])):
        if event["event"] in _EVENTS:
            found.setdefault(_EVENTS[event["event"]], _seconds(event["occurred"]))
    for log in sorted(logs, key=lambda one: _seconds(one["timestamp"])):
        name, at = str(log["name"]), _seconds(log["timestamp"])
        if name.startswith(START_LOGGER):
            found.setdefault(name.removeprefix(START_LOGGER), at)
        elif name == RUN_LOGGER and at >= found.get("running", at + 1):
            found.setdefault("first line", at)  # the engine's own, right before it calls the flow
    return found


def delay(found: Moments) -> Delay | None:
    """The phases between the moments; None when the run was not triggered or never ran.

    Clocks of two machines differ: a point that seems to lie before the one it follows takes no time.
    """
    if "triggered" not in found or "running" not in found:
        return None
    begin = found["triggered"]
    end = max(found.get("first line", found["running"]), begin)
    phases: list[Phase] = []
    names: list[str] = []
    last = begin
    for point, name in _TASK_POINTS if "createdAt" in found else _POINTS:
        names.append(name)
        at = end if point == "first line" else found.get(point)
        if at is not None:
            at = min(max(at, last), end)
            phases.append(Phase(", ".join(names), round(at - last, 3)))
            last, names = at, []
    return Delay(round(end - begin, 3), round(max(found["running"] - begin, 0.0), 3), tuple(phases))


def delay_text(measured: Delay) -> str:
    """One line for a person."""
    phases = ", ".join(f"{phase.name} {phase.seconds:.2f}" for phase in measured.phases)
    return f"from trigger to the first line of the flow: {measured.seconds:.2f} s ({phases})"


def _events(api: PrefectApi, run: str) -> list[Mapping[str, Json]]:
    """What the worker told about the run. Nothing where the server keeps no events."""
    wanted = {"filter": {"any_resource": {"id": [f"prefect.flow-run.{run}"]}, "order": "ASC"}, "limit": 50}
    with suppress(Refused):
        return list(api.request("POST", "/events/filter", wanted)["events"])
    return []


def _slot_freed(api: PrefectApi, run: str, found: Moments) -> float | None:
    """When another run gave up its slot of the work pool or queue, and this one could be taken at last."""
    about = api.request("GET", f"/flow_runs/{run}")
    pool, queue = about.get("work_pool_name"), about.get("work_queue_name")
    if not pool or not queue:
        return None
    path = f"/work_pools/{quote(pool, safe='')}"
    limits = (api.request("GET", path), api.request("GET", f"{path}/queues/{quote(queue, safe='')}"))
    if all(limit["concurrency_limit"] is None for limit in limits):
        return None
    between = {"after_": _iso(found["free"]), "before_": _iso(found["taken"])}
    wanted = {
        "flow_runs": {"end_time": between},
        "work_pools": {"name": {"any_": [pool]}},
        "sort": "END_TIME_DESC",
        "limit": 1,
    }
    ended = api.request("POST", "/flow_runs/filter", wanted)
    return _seconds(ended[0]["end_time"]) if ended else None


def _seconds(text: Json) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
