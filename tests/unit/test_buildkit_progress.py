"""BuildKit's records, recorded from real builds, become events, a readable log and the failing step."""

from __future__ import annotations

import base64
import json

import pytest

from flowyard.building.buildkit_progress import (
    FailedStep,
    OutputEvent,
    StepEvent,
    TextEvent,
    log_line,
)
from flowyard.building.status_documents import StatusDecoder
from tests.unit.build_recordings import FOLDER, replay, replay_lines

SUCCESS_LOG = """\
#1 [internal] load build definition from Dockerfile
#1 done in 0.0 s
#2 [internal] load metadata for docker.io/flowyard/base-python:3.13
#2 done in 0.0 s
#3 [internal] load .dockerignore
#3 done in 0.0 s
#4 [dependencies 1/4] FROM docker.io/flowyard/base-python:3.13
#5 [internal] load build context
#4 done in 0.0 s
#5 done in 0.0 s
#6 [dependencies 2/4] WORKDIR /app
#6 done in 0.0 s
#7 [dependencies 3/4] COPY flow.py /app/flow.py
#7 done in 0.0 s
#8 [dependencies 4/4] RUN echo installing && sleep 1 && echo done >&2
#8 0.156 installing
#8 1.160 done
#8 done in 1.2 s
#9 [check 1/1] RUN python3 -c "print('hello')" && echo '{}' > /description.json
#9 0.189 hello
#9 done in 0.2 s
#10 [stage-2 1/1] COPY --from=check /description.json /opt/description.json
#10 done in 0.0 s
#11 exporting to image
#11 done in 0.0 s"""


def compact(*statuses: object) -> list[str]:
    """The form of newer buildx: one document per line."""
    return [json.dumps(status) for status in statuses]


def output(text: bytes, stream: int = 1) -> dict[str, object]:
    return {"vertex": "a", "stream": stream, "data": base64.b64encode(text).decode()}


def test_a_build_that_ends_well_is_a_readable_log() -> None:
    reader, events = replay("success")
    assert "\n".join(log_line(event) for event in events) == SUCCESS_LOG
    assert (reader.began, reader.steps, reader.cached_steps) == (True, 5, 0)
    assert (reader.failed(), reader.error_text(), reader.pushing) == (None, "", False)


def test_a_cached_build_counts_its_steps_and_says_it_pushed() -> None:
    reader, events = replay("cached-push")
    assert (reader.steps, reader.cached_steps, reader.pushing) == (5, 5, True)
    assert [event.name for event in events if isinstance(event, StepEvent) and event.state == "cached"] == [
        "[dependencies 2/4] WORKDIR /app",
        "[dependencies 3/4] COPY flow.py /app/flow.py",
        "[dependencies 4/4] RUN echo installing && sleep 1 && echo done >&2",
        "[check 1/1] RUN python3 -c \"print('hello')\" && echo '{}' > /description.json",
        "[stage-2 1/1] COPY --from=check /description.json /opt/description.json",
    ]


def test_indented_and_one_line_documents_tell_the_same() -> None:
    text = (FOLDER / "failed-run.rawjson").read_text("utf-8")
    decoder = StatusDecoder()
    documents = [found for line in text.splitlines() if (found := decoder.feed(line)) is not None]
    lines = [found if isinstance(found, str) else json.dumps(found) for found in documents]
    assert len(lines) < 60
    assert replay_lines(lines)[1] == replay("failed-run")[1]


def test_a_failing_run_keeps_its_last_twelve_lines() -> None:
    reader, events = replay("failed-run")
    failed = reader.failed()
    assert failed is not None
    assert failed.name.startswith('[2/2] RUN printf "a\\rb\\r"')
    assert failed.error.endswith("did not complete successfully: exit code: 1")
    assert failed.tail == (*(f"line {number}" for number in range(10, 21)), "/bin/sh: 1: pip: not found")
    assert failed.check is None
    # The first line came in two pieces, after a progress bar that overwrote itself.
    printed = [event.text for event in events if isinstance(event, OutputEvent)]
    assert printed[:2] == ["partial é", "line 1"]


def test_a_failing_copy_has_no_output_but_a_reason() -> None:
    reader, _ = replay("failed-copy")
    error = (
        "failed to calculate checksum of ref "
        "08ac2aa7-e65e-428d-9167-0fdae9e024b9::xit755wv427pzqkfl6aeny59o: "
        '"/missing.txt": not found'
    )
    assert reader.failed() == FailedStep("[2/2] COPY missing.txt /app/", error, (), None)
    assert reader.error_text() == f"failed to compute cache key: {error}"


def test_the_finding_of_the_check_is_kept_apart() -> None:
    reader, _ = replay("failed-check")
    failed = reader.failed()
    assert failed is not None
    assert json.loads(failed.check or "") == {
        "kind": "import",
        "flow": "etl",
        "file": "flow.py",
        "message": "no module named pandas",
        "hint": "add pandas",
    }


def test_a_dockerfile_that_cannot_be_read_has_a_reason_and_no_failed_step() -> None:
    reader, _ = replay("failed-syntax")
    reason = "dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"
    assert (reader.began, reader.failed(), reader.error_text()) == (True, None, reason)


def test_the_step_that_failed_is_named_and_not_the_one_cancelled_with_it() -> None:
    times = {"started": "2030-01-01T00:00:00Z", "completed": "2030-01-01T00:00:01.5Z"}
    cancelled = {"digest": "b", "name": "[b 1/1] RUN sleep", "error": "context canceled", **times}
    failed = {"digest": "a", "name": "[a 1/1] RUN false", "error": "exit code: 1", **times}
    reader, events = replay_lines(compact({"vertexes": [cancelled]}, {"vertexes": [failed]}))
    assert reader.failed() == FailedStep("[a 1/1] RUN false", "exit code: 1", (), None)
    assert events[-1] == StepEvent(2, "[a 1/1] RUN false", "failed", 1.5, "exit code: 1")


def test_a_last_line_without_line_break_and_colours_are_kept_readable() -> None:
    begun = {"digest": "a", "name": "[1/1] RUN\n  x", "started": "2030-01-01T00:00:00Z"}
    ended = {**begun, "completed": "2030-01-01T00:00:02Z", "error": "exit code: 2"}
    pieces = [{"logs": [output(b"\x1b[31mred\x1b[0m \xc3")]}, {"logs": [output(b"\xa9"), output(b"err", 2)]}]
    reader, events = replay_lines(compact({"vertexes": [begun]}, *pieces, {"vertexes": [ended]}))
    assert events == (
        StepEvent(1, "[1/1] RUN x", "started"),
        OutputEvent(1, "red é", 2.0),
        OutputEvent(1, "err", 2.0),
        StepEvent(1, "[1/1] RUN x", "failed", 2.0, "exit code: 2"),
    )
    failed = reader.failed()
    assert failed is not None
    assert failed.tail == ("red é", "err")


def test_warnings_and_documents_cut_short_are_told_as_text() -> None:
    short = base64.b64encode(b"FromAsCasing").decode()
    _, events = replay_lines(
        [*compact({"warnings": [{"vertex": "a", "short": short}]}), "{", '  "vertexes": [']
    )
    assert events == (TextEvent("warning: FromAsCasing"), TextEvent("{"), TextEvent('  "vertexes": ['))


@pytest.mark.parametrize("line", ["{not json}", "[1]", "", "ERROR: no"])
def test_text_stays_text(line: str) -> None:
    assert StatusDecoder().feed(line) == line


def test_when_the_steps_ran() -> None:
    reader, _ = replay("cached-push")
    pushing = reader.times[-1]
    assert (pushing.name.partition(" ")[0], pushing.state) == ("pushing", "done")
    assert pushing.seconds > 0
    cached = [time for time in reader.times if time.state == "cached"]
    assert [time.name for time in cached if time.name.startswith("[")] != []
    assert all(pushing.began - 600 < time.began <= pushing.began for time in reader.times)
    failed, _ = replay("failed-run")
    assert "failed" in {time.state for time in failed.times}
