"""Which display is chosen, what the plain one prints, and which rows the live one keeps."""

from __future__ import annotations

import io

import pytest

from flowyard.adapters.terminal import (
    MOST_LINES,
    LiveProgress,
    PlainProgress,
    Row,
    SilentProgress,
    progress_for,
    visible,
)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "silent", "env", "expected"),
    [
        (Tty(), False, {"TERM": "xterm"}, LiveProgress),
        (Tty(), False, {"CI": "false"}, LiveProgress),
        (Tty(), False, {"CI": "true"}, PlainProgress),
        (Tty(), False, {"TERM": "dumb"}, PlainProgress),
        (Tty(), True, {}, SilentProgress),
        (io.StringIO(), False, {}, PlainProgress),
        (io.StringIO(), True, {}, SilentProgress),
    ],
)
def test_the_display_suits_the_stream(
    stream: io.StringIO, silent: bool, env: dict[str, str], expected: type
) -> None:
    assert type(progress_for(stream, env, silent=silent)) is expected


def test_plain_lines_say_nothing_twice() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        for text in ("building: [a 1/2] RUN x", "building: [a 1/2] RUN x", "building: [a 2/2] RUN y"):
            progress.step("etl", text)
            progress.step("clean", "pushing")
        progress.done("etl", "built in 1.2 s")
        progress.done("clean", "build failed", failed=True)
    assert stream.getvalue().splitlines() == [
        "etl: building: [a 1/2] RUN x",
        "clean: pushing",
        "etl: building: [a 2/2] RUN y",
        "etl: built in 1.2 s",
        "clean: FAILED: build failed",
    ]


def test_too_many_rows_keep_what_runs_and_what_failed() -> None:
    rows = (
        Row("a", "done", "", 0.0, 1.0),
        Row("b", "running", "", 0.0),
        Row("c", "done", "", 0.0, 3.0),
        Row("d", "failed", "", 0.0, 2.0),
        Row("e", "done", "", 0.0, 2.0),
    )
    assert visible(rows, 5) == (rows, "")
    assert visible(rows, 3) == ((rows[1], rows[3]), "and 3 more: 3 done")
    assert visible(rows, 0) == ((rows[1],), "and 4 more: 3 done, 1 failed")


def test_a_hundred_flows_take_a_few_lines_however_high_the_terminal_is() -> None:
    done = tuple(Row(f"d{number}", "done", "", 0.0, 1.0) for number in range(60))
    failed = tuple(Row(f"f{number}", "failed", "", 0.0, float(number)) for number in range(36))
    running = tuple(Row(f"r{number}", "running", "", 0.0) for number in range(4))
    shown, rest = visible((*done, *failed, *running), 200)
    assert len(shown) == MOST_LINES
    assert shown == (*failed[-(MOST_LINES - 4) :], *running)
    assert rest == f"and {100 - MOST_LINES} more: 60 done, {36 - MOST_LINES + 4} failed"


def test_the_live_display_of_a_hundred_flows_stays_low() -> None:
    stream = Tty()
    with LiveProgress(stream) as progress:
        for number in range(100):
            progress.step(f"flow_{number}", "building")
            progress.done(f"flow_{number}", "built", failed=number == 50)
        progress.step("last", "pushing")
    frame = stream.getvalue().rpartition("flow_50")[2]  # what is drawn last
    assert "and 99 more: 99 done" in frame
    assert "pushing" in frame
    assert "flow_9" not in frame


@pytest.mark.parametrize(
    ("env", "begins", "ends"),
    [
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, "::group::Steps", "::endgroup::"),
        ({"GITLAB_CI": "true", "CI": "true"}, "\x1b[0Ksection_start:", "\x1b[0Ksection_end:"),
        ({"CI": "true"}, "etl: pushing", "etl: pushing"),
    ],
)
def test_the_log_of_a_ci_folds_the_steps_away(env: dict[str, str], begins: str, ends: str) -> None:
    stream = io.StringIO()
    with progress_for(stream, env) as progress:
        progress.step("etl", "pushing")
    lines = stream.getvalue().split("\n")[:-1]
    assert lines[0].startswith(begins)
    assert "etl: pushing" in lines
    assert lines[-1].startswith(ends)
    nothing = io.StringIO()
    with progress_for(nothing, env):
        pass
    assert nothing.getvalue() == ""


def test_the_live_display_shows_every_flow_with_its_brackets() -> None:
    stream, now = Tty(), [0.0]
    with LiveProgress(stream, lambda: now[0]) as progress:
        progress.step("etl", "pushing")
        now[0] = 2.5
        progress.done("etl", "built")
        progress.step("other", "building: [dependencies 2/3] RUN pip")
        progress.step("clean", "building: [check 1/1] RUN x")
        progress.done("clean", "build failed", failed=True)
    shown = stream.getvalue()
    for text in ("etl", "[dependencies 2/3]", "2.5 s", "✓", "✗", "build failed"):
        assert text in shown


def test_a_live_display_that_was_told_nothing_draws_nothing() -> None:
    stream = Tty()
    with LiveProgress(stream):
        pass
    assert stream.getvalue() == ""
