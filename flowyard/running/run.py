"""`run`: trigger a deployment, follow it, and return what the flow returned.

The result is read from the target's result storage: a volume by the flow's own image, a bucket from here. Nothing is
ever unpickled on this machine, as only that image has the packages a value may need.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowyard.errors import FlowFailed, PrefectError, Refused, Unreachable, UsageError
from flowyard.ports import PrefectApi, Results, Timer
from flowyard.program import PROGRAM
from flowyard.registering.live import LiveDeployment, deployments_by_flow
from flowyard.registering.requests import read_deployment
from flowyard.registering.validate import parameter_problems
from flowyard.running.run_log import RunLog
from flowyard.running.task_watch import Tasks, TaskState, TaskWatch, noted
from flowyard.target import Target
from flowyard.texts import did_you_mean
from flowyard.values import FINAL_STATES, Json, Project, ResultPlace

POLL_SECONDS = 0.5
AWAY_SECONDS = 300.0  # for which a server may give no answer: restarts and busy hours end no run
_AWAY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Triggered:
    """A flow run that was started: its id, its name, the image its deployment names, and its page in Prefect's UI,
    empty where nobody asked."""

    id: str
    name: str
    deployment: str
    image: str
    page: str = ""

    @property
    def goes_on(self) -> str:
        """What is said to whoever stops following it."""
        return f"run {self.name} goes on" + (f"; it can be cancelled at {self.page}" if self.page else "")


@dataclass(frozen=True, slots=True)
class Finished:
    """A flow run in its final state. `result` says where its result is, None when it kept none; `task` is the
    one of ECS it ran in, as far as it was seen."""

    state: str
    message: str
    result: ResultPlace | None
    task: TaskState | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a run is waited for: by which clock, and with an eye on its task, where it runs in one of `tasks`."""

    clock: Timer = time
    tasks: Tasks | None = None


def find_deployment(api: PrefectApi, project: Project, target: Target, word: str) -> LiveDeployment:
    """The deployment that `etl` or `etl/daily` names. Raises UsageError when it is none or not one."""
    flow, _, name = word.strip("/").removeprefix("flows/").partition("/")
    live = deployments_by_flow(api, project.name, target.name)
    if flow not in live:
        found = read_deployment(api, flow, name) if name else None
        ours = {one.id: one for of_flow in live.values() for one in of_flow}
        if found is not None and str(found["id"]) in ours:
            return ours[str(found["id"])]  # named as Prefect names it: the flow's name, not the folder's
        listed = ", ".join(sorted(live)) or "nothing yet"
        text = f"flow {flow!r} is not deployed on target {target.name}{did_you_mean(flow, live)}; deployed: {listed}"
        is_folder = any(flow == known.name for known in project.flows)
        raise UsageError(text, hint=_ship_first(project, target, flow) if is_folder else "")
    by_name = {deployment.name: deployment for deployment in live[flow]}
    if not name and len(by_name) > 1:
        listed = ", ".join(f"{flow}/{known}" for known in sorted(by_name))
        raise UsageError(f"flow {flow} has several deployments; name one of: {listed}")
    if name and name not in by_name:
        listed = ", ".join(sorted(by_name))
        raise UsageError(
            f"flow {flow} has no deployment {name!r}{did_you_mean(name, by_name)}; it has: {listed}"
        )
    return by_name[name or next(iter(by_name))]


def _ship_first(project: Project, target: Target, flow: str) -> str:
    where = "" if target.name == project.default_target else f" --target {target.name}"
    return f"run `{PROGRAM} flows/{flow}{where}` first"


def parse_parameters(words: tuple[str, ...], deployment: LiveDeployment, flow: str) -> dict[str, Json]:
    """`name=value` words as parameters: text where the schema says text, else JSON, else text.

    Raises UsageError for a word without `=`, for what the flow's parameter schema does not allow, and for a
    parameter that the flow needs and neither the words nor the deployment give.
    """
    schema = deployment.parameter_schema
    known = schema.get("properties", {})
    parameters: dict[str, Json] = {}
    for word in words:
        name, separator, text = word.partition("=")
        if not separator:
            raise UsageError(f"parameter {word!r} has no value; write it as {word}=VALUE")
        is_text = known.get(name, {}).get("type") == "string" or not _fits(name, _json_or_text(text), schema)
        parameters[name] = text if is_text and _fits(name, text, schema) else _json_or_text(text)
    problems = [f"parameter {place}: {text}" for place, text in parameter_problems(parameters, schema, flow)]
    given = {*parameters, *deployment.parameters}
    missing = [name for name in schema.get("required", []) if name not in given]
    problems += [f"parameter {name}: is required; give it with -p {name}=VALUE" for name in missing]
    if problems:
        raise UsageError("\n       ".join(problems))
    return parameters


def _fits(name: str, value: Json, schema: Mapping[str, Json]) -> bool:
    return not any(parameter_problems({name: value}, schema, ""))


def _json_or_text(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def trigger(
    api: PrefectApi, deployment: LiveDeployment, parameters: Mapping[str, Json], ui: str = ""
) -> Triggered:
    """Start a run; `ui` is where Prefect's UI is. Raises FlowFailed where it is not known of which image, PrefectError
    when the server refuses the parameters."""
    if deployment.image is None:
        marks = deployment.marks
        raise FlowFailed(
            f"deployment {marks.flow}/{deployment.name} has no image in its job variables in Prefect: somebody removed"
            " it, so no run was started",
            hint=f"ship it again: `{PROGRAM} flows/{marks.flow} --target {marks.target}`",
        )
    body = {"parameters": dict(parameters), "state": {"type": "SCHEDULED"}}
    run = api.request("POST", f"/deployments/{deployment.id}/create_flow_run", body)
    page = f"{ui}/runs/flow-run/{run['id']}" if ui else ""
    return Triggered(run["id"], run["name"], deployment.name, deployment.image, page)


def follow(
    api: PrefectApi,
    run: Triggered,
    say: Callable[[str], None],
    timeout: float | None = None,
    waiting: Waiting = Waiting(),
) -> Finished:
    """Wait for the run's final state; hand each state and log line to `say`.

    Raises FlowFailed when `timeout` seconds have passed, PrefectError when the server gives no answer for so long,
    or for AWAY_SECONDS; the run goes on then. It does too when this is interrupted before the run's end: that is said.
    """
    clock = waiting.clock
    watch = None if waiting.tasks is None else TaskWatch(waiting.tasks, say, clock)
    deadline = None if timeout is None else clock.monotonic() + timeout
    api = Patient(api, say, clock, deadline)
    log, shown = RunLog(api, run.id, say, clock), ""
    try:
        while True:
            found = api.request("GET", f"/flow_runs/{run.id}")
            state = found["state"]
            log.say_new()
            if state["name"] != shown:
                shown = state["name"]
                say(f"{run.name}: {shown}")
            if state["type"] in FINAL_STATES:
                break
            if watch is not None:
                watch.look(found)
            if deadline is not None and clock.monotonic() > deadline:
                raise FlowFailed(f"run {run.name} was still {shown} after {timeout:g} s", hint=run.goes_on)
            clock.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say(run.goes_on)
        raise
    log.say_last(found)
    task = None if watch is None else watch.end(found, log.texts)
    return Finished(state["type"], state.get("message") or "", _result_place(state), task)


class Patient:
    """A PrefectApi for questions, which asks again while the server is away."""

    def __init__(
        self, api: PrefectApi, say: Callable[[str], None], clock: Timer = time, deadline: float | None = None
    ) -> None:
        self._api = api
        self._say = say
        self._clock = clock
        self._deadline = deadline

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request. Raises what was wrong last when that takes too long."""
        since = None
        while True:
            try:
                found = self._api.request(method, path, body)
            except PrefectError as error:
                now = self._clock.monotonic()
                if not _is_away(error) or self._is_late(now, now if since is None else since):
                    raise
                if since is None:
                    since = now
                    self._say(f"Prefect gives no answer, it is asked again: {error.message}")
                self._clock.sleep(POLL_SECONDS)
            else:
                if since is not None:
                    self._say("Prefect answers again")
                return found

    def _is_late(self, now: float, since: float) -> bool:
        return now - since > AWAY_SECONDS or (self._deadline is not None and now > self._deadline)


def _is_away(error: PrefectError) -> bool:
    """Whether there was no answer of the server itself, or the answer that it is too busy."""
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.status in _AWAY)


def _result_place(state: Mapping[str, Json]) -> ResultPlace | None:
    data = state.get("data") or {}
    if not isinstance(data, Mapping) or not data.get("storage_key"):
        return None
    return ResultPlace(str(data["storage_key"]), json.dumps(data.get("serializer") or {}))


def result_of(run: Triggered, finished: Finished, results: Results | None) -> Json:
    """What the flow returned. Raises FlowFailed when it did not complete or kept no result.

    `results` is None where the target has no result storage.
    """
    if finished.state != "COMPLETED":
        raise noted(FlowFailed(f"run {run.name} ended {finished.state}: {finished.message}"), finished.task)
    if results is None or finished.result is None:
        return {"type": "unknown", "repr": "(no result was kept; set `results` in the target)"}
    return results.read(run.image, finished.result)
