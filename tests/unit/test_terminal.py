"""Which display is chosen, what the plain one prints, and which rows the live one keeps."""

from __future__ import annotations

import io

import pytest

from flowyard.adapters.terminal import LiveProgress, PlainProgress, Row, SilentProgress, progress_for, visible


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


def test_too_many_rows_keep_what_failed_and_what_runs() -> None:
    rows = (
        Row("a", "done", "", 0.0, 1.0),
        Row("b", "running", "", 0.0),
        Row("c", "done", "", 0.0, 3.0),
        Row("d", "failed", "", 0.0, 2.0),
        Row("e", "done", "", 0.0, 2.0),
    )
    assert visible(rows, 5) == (rows, "")
    assert visible(rows, 3) == ((rows[1], rows[2], rows[3]), "and 2 more: 2 done")
    assert visible(rows, 0) == ((rows[3],), "and 4 more: 1 running, 3 done")


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
