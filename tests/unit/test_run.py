"""Running a deployment: which one is named, what is sent, and what is made of its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyard.errors import FlowFailed, PrefectError, Refused, Unreachable, UsageError
from flowyard.load import load
from flowyard.running.run import (
    AWAY_SECONDS,
    Finished,
    Triggered,
    Waiting,
    find_deployment,
    follow,
    parse_parameters,
    result_of,
    trigger,
)
from flowyard.target import Target
from flowyard.values import Json, Project, ResultPlace
from tests.fakes_server import FakeServer
from tests.support import MINIMAL, alive, target_of, write_files

SCHEMA = {
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "days": {"type": "array"},
        "any": {},
    }
}
RUN = Triggered("7", "happy-cat", "daily", "r.example/etl@sha256:1", "http://p.example/runs/flow-run/7")
GOES_ON = "run happy-cat goes on; it can be cancelled at http://p.example/runs/flow-run/7"
PLACE = ResultPlace("key", "{}")
LABELS = {"flowyard.project": "acme", "flowyard.target": "local", "flowyard.flow": "etl"}
(DEPLOYMENT,) = alive(
    [
        {
            "id": "3",
            "name": "daily",
            "labels": LABELS,
            "job_variables": {"image": RUN.image},
            "parameter_openapi_schema": SCHEMA,
        }
    ]
)


def line(number: int, name: str = "prefect.flow_runs", second: int | None = None) -> dict[str, Any]:
    at = f"2026-03-06T10:00:{number if second is None else second:02}Z"
    return {"id": str(number), "level": 20, "message": f"line {number}", "name": name, "timestamp": at}


class Runs:
    """A PrefectApi that knows one flow run: its states in order, and its log lines, one more a question."""

    def __init__(self, *states: dict[str, Any], logs: int = 0) -> None:
        self.states = list(states)
        self.logs = [line(number) for number in range(logs)]
        self.asked_for_logs = 0
        self.sent: list[tuple[str, Json]] = []

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        if path == "/flow_runs/7":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return {"state": state, "start_time": "2026-03-06T10:00:00Z"}
        if path == "/logs/filter":
            self.asked_for_logs += 1
            after = body["logs"].get("timestamp", {}).get("after_", "")
            sent = [log for log in self.logs[: self.asked_for_logs] if log["timestamp"] >= after]
            sent.sort(key=lambda log: str(log["timestamp"]))
            return sent[body["offset"] : body["offset"] + body["limit"]]
        self.sent.append((f"{method} {path}", body))
        return {"id": "7", "name": "happy-cat"}


@pytest.fixture
def place(tmp_path: Path) -> tuple[FakeServer, Project, Target]:
    """A project with three deployments of two flows in Prefect."""
    server = FakeServer()
    for flow, name in (("etl", "daily"), ("etl", "weekly"), ("news", "default")):
        server.deployments[f"{flow}{name}"] = {
            "id": f"{flow}{name}",
            "name": name,
            "flow_id": "1",
            "tags": ["flowyard:acme"],
            "labels": {**LABELS, "flowyard.flow": flow},
        }
    project = load(write_files(tmp_path, MINIMAL))
    return server, project, target_of(project)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("news", "newsdefault"),
        ("flows/news", "newsdefault"),
        ("news/default", "newsdefault"),
        ("etl/daily", "etldaily"),
        ("flows/etl/weekly/", "etlweekly"),
    ],
)
def test_a_word_names_a_deployment(place: tuple[FakeServer, Project, Target], word: str, found: str) -> None:
    assert find_deployment(*place, word).id == found


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("etl", "flow etl has several deployments; name one of: etl/daily, etl/weekly"),
        ("etl/dayly", "flow etl has no deployment 'dayly' (did you mean `daily`?); it has: daily, weekly"),
        ("nws", "flow 'nws' is not deployed on target local (did you mean `news`?); deployed: etl, news"),
    ],
)
def test_a_word_that_names_none_or_several(
    place: tuple[FakeServer, Project, Target], word: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_deployment(*place, word)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ((), {}),
        (("name=5",), {"name": "5"}),
        (("name=a=b",), {"name": "a=b"}),
        (("name=",), {"name": ""}),
        (("count=5", "days=[1, 2]"), {"count": 5, "days": [1, 2]}),
        (("any=text", "any=null"), {"any": None}),
        (("any={",), {"any": "{"}),
    ],
)
def test_parameters(words: tuple[str, ...], parameters: dict[str, Json]) -> None:
    assert parse_parameters(words, DEPLOYMENT, "etl") == parameters


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("name", "parameter 'name' has no value; write it as name=VALUE"),
        ("count=many", "parameter count: \"many\" does not fit: 'many' is not of type 'integer'"),
        (
            "nmae=x",
            "parameter nmae: flow etl has no such parameter (did you mean `name`?); it has: any, count, days, name",
        ),
    ],
)
def test_wrong_parameters(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_parameters((word,), DEPLOYMENT, "etl")
    assert caught.value.message == message


def test_a_run_is_triggered() -> None:
    api = Runs({})
    assert trigger(api, DEPLOYMENT, {"day": "x"}, "http://p.example") == RUN
    assert api.sent == [
        (
            "POST /deployments/3/create_flow_run",
            {"parameters": {"day": "x"}, "state": {"type": "SCHEDULED"}},
        )
    ]


@pytest.mark.parametrize("variables", [{}, {"image": None}, {"image": ""}, None])
def test_no_run_is_started_of_a_deployment_whose_image_somebody_removed(variables: Json) -> None:
    api = Runs({})
    (deployment,) = alive([{**DEPLOYMENT.raw, "job_variables": variables}])
    with pytest.raises(FlowFailed) as caught:
        trigger(api, deployment, {})
    assert caught.value.message == (
        "deployment etl/daily has no image in its job variables in Prefect: somebody removed it, so no run was started"
    )
    assert caught.value.hint == "ship it again: `python build.py flows/etl --target local`"
    assert api.sent == []


class Hand:
    """A Timer on which waiting takes no time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_states_and_lines_are_told_in_order() -> None:
    data = {"storage_key": "key", "serializer": {"type": "json"}}
    completed = {"type": "COMPLETED", "name": "Completed", "message": None, "data": data}
    api = Runs({"type": "RUNNING", "name": "Running"}, completed, logs=3)
    said: list[str] = []
    assert follow(api, RUN, said.append, waiting=Waiting(Hand())) == Finished(
        "COMPLETED", "", ResultPlace("key", '{"type": "json"}')
    )
    assert said == [
        "  INFO line 0",
        "happy-cat: Running",
        "  INFO line 1",
        "happy-cat: Completed",
        "  INFO line 2",
    ]


def test_a_line_that_comes_late_is_told_once_and_no_other_is_lost() -> None:
    completed = {"type": "COMPLETED", "name": "Completed", "message": None, "data": None}
    api = Runs(completed)
    api.logs = [line(0, second=30), line(1, second=31), line(2, second=20), line(3, "flowyard.start.x", 25)]
    said: list[str] = []
    follow(api, RUN, said.append, waiting=Waiting(Hand()))
    assert said == ["  INFO line 0", "happy-cat: Completed", "  INFO line 1", "  INFO line 2"]


def test_following_ends_at_the_timeout_and_the_run_goes_on() -> None:
    with pytest.raises(FlowFailed, match=r"^run happy-cat was still Running after 0 s$") as caught:
        follow(Runs({"type": "RUNNING", "name": "Running"}), RUN, lambda text: None, 0, Waiting(Hand()))
    assert caught.value.hint == GOES_ON


AWAY = Unreachable("GET /flow_runs/7: it did not answer (timed out)", sent=True)
BUSY = Refused("GET /flow_runs/7: it answered 503", status=503)


class Away(Runs):
    """A PrefectApi that gives an answer only after it has failed so often, at every question."""

    def __init__(self, error: PrefectError, times: int) -> None:
        super().__init__({"type": "FAILED", "name": "Failed", "message": "no", "data": None})
        self.error = error
        self.times = times
        self.left = times

    def request(self, method: str, path: str, body: Json = None) -> Json:
        if self.left:
            self.left -= 1
            raise self.error
        self.left = self.times
        return super().request(method, path, body)


@pytest.mark.parametrize("error", [AWAY, BUSY])
def test_a_server_that_is_away_for_a_while_is_asked_again(error: PrefectError) -> None:
    said: list[str] = []
    assert follow(Away(error, 3), RUN, said.append, waiting=Waiting(Hand())).state == "FAILED"
    assert said[:2] == [
        f"Prefect gives no answer, it is asked again: {error.message}",
        "Prefect answers again",
    ]
    assert "happy-cat: Failed" in said


@pytest.mark.parametrize(
    ("error", "timeout", "seconds"),
    [(AWAY, None, AWAY_SECONDS), (BUSY, None, AWAY_SECONDS), (AWAY, 10.0, 10.0)],
)
def test_a_server_that_stays_away_ends_the_following(
    error: PrefectError, timeout: float | None, seconds: float
) -> None:
    said: list[str] = []
    clock = Hand()
    with pytest.raises(type(error)) as caught:
        follow(Away(error, 10_000), RUN, said.append, timeout, Waiting(clock))
    assert (caught.value, len(said)) == (error, 1)
    assert seconds <= clock.seconds <= seconds + 1


def test_a_refusal_is_no_absence() -> None:
    clock = Hand()
    with pytest.raises(Refused, match="is not there"):
        follow(Away(Refused("is not there", status=404), 1), RUN, lambda _: None, waiting=Waiting(clock))
    assert clock.seconds == 0


class Held:
    """Results that hold one value."""

    def read(self, image: str, place: ResultPlace) -> Json:
        """As Results.read."""
        assert (image, place) == (RUN.image, PLACE)
        return {"type": "int", "json": 3}


def test_the_result_is_read_from_the_targets_storage() -> None:
    finished = Finished("COMPLETED", "", PLACE)
    assert result_of(RUN, finished, Held()) == {"type": "int", "json": 3}


@pytest.mark.parametrize(("results", "place"), [(None, PLACE), (Held(), None)])
def test_no_result_was_kept(results: Held | None, place: ResultPlace | None) -> None:
    found = result_of(RUN, Finished("COMPLETED", "", place), results)
    assert found == {"type": "unknown", "repr": "(no result was kept; set `results` in the target)"}


def test_a_run_that_did_not_complete_is_an_error() -> None:
    with pytest.raises(FlowFailed, match=r"^run happy-cat ended CRASHED: no memory$"):
        result_of(RUN, Finished("CRASHED", "no memory", None), Held())
