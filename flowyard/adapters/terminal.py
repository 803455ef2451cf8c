"""Shows how far each flow is: a live display for people, one line per event for CI logs, or nothing.

All of it goes to stderr, because stdout carries results only. rich is imported by the live display alone: a
run in CI, or one that prints JSON, does not pay for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TextIO

from flowyard.ports import Progress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

State = Literal["running", "done", "failed"]

_MARKS: Mapping[State, tuple[str, str]] = {
    "running": ("…", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
}
MOST_LINES = 16  # of the live display: more is not read while it moves
_SPARE_LINES = 2  # the prompt, and the line that counts what is not shown
_REFRESH = 8.0  # per second


class Display(Progress, Protocol):
    """A Progress that is opened and closed: entering it shows nothing yet, leaving it frees the terminal."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SilentProgress:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def step(self, flow: str, text: str) -> None:
        """As Progress.step."""

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        """As Progress.done."""


class PlainProgress(SilentProgress):
    """One line per event and no times: CI stamps them itself. What a flow said last is not said twice.

    `folded` are the lines around all of it with which a CI's log folds it away.
    """

    def __init__(self, stream: TextIO, folded: tuple[str, str] = ("", "")) -> None:
        self._stream = stream
        self._folded = folded
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._last and self._folded[1]:
                print(self._folded[1], file=self._stream, flush=True)

    def step(self, flow: str, text: str) -> None:
        """As Progress.step."""
        self._say(flow, text)

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        """As Progress.done."""
        self._say(flow, f"FAILED: {text}" if failed else text)

    def _say(self, flow: str, text: str) -> None:
        with self._lock:
            if not self._last and self._folded[0]:
                print(self._folded[0], file=self._stream)
            if self._last.get(flow) != text:
                self._last[flow] = text
                print(f"{flow}: {text}", file=self._stream, flush=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One flow on the live display. `began` and `ended` are seconds of a clock that never goes back."""

    flow: str
    state: State
    text: str
    began: float
    ended: float | None = None


def visible(rows: tuple[Row, ...], lines: int) -> tuple[tuple[Row, ...], str]:
    """The rows to be shown in at most so many `lines`, in their order, and a sentence about the others (or "").

    A few flows are all shown. Of many only what runs and what failed is, so that it does not drown in what is
    done; where even that is too much, what runs comes first, then what failed last.
    """
    lines = max(min(lines, MOST_LINES), 1)
    if len(rows) <= lines:
        return rows, ""
    ranked = sorted(
        (row for row in rows if row.state != "done"),
        key=lambda row: (row.state != "running", -(row.ended or 0.0)),
    )
    kept = set(ranked[:lines])
    hidden = [row.state for row in rows if row not in kept]
    counts = ", ".join(f"{hidden.count(state)} {state}" for state in _MARKS if state in hidden)
    return tuple(row for row in rows if row in kept), f"and {len(hidden)} more: {counts}"


class LiveProgress:
    """One line per flow that is rewritten in place: name, current step, seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._live: Live | None = None
        self._lock = threading.RLock()  # rich asks for the table while it is being set up

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def step(self, flow: str, text: str) -> None:
        """As Progress.step."""
        with self._lock:
            before = self._rows.get(flow)
            now = self._clock()
            began = before.began if before is not None and before.state == "running" else now
            self._rows[flow] = Row(flow, "running", text, began)
        self._show()

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        """As Progress.done."""
        with self._lock:
            now = self._clock()
            before = self._rows.get(flow) or Row(flow, "running", text, now)
            self._rows[flow] = replace(before, state="failed" if failed else "done", text=text, ended=now)
        self._show()

    def _show(self) -> None:
        """Begin to draw with the first event: a run with nothing to do draws nothing."""
        with self._lock:
            if self._live is not None:
                return
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(
                console=console,
                get_renderable=lambda: self._table(console.height - _SPARE_LINES),
                refresh_per_second=_REFRESH,
                redirect_stdout=False,
            )
        self._live.start()

    def _table(self, lines: int) -> Table:
        from rich.table import Table
        from rich.text import Text

        now = self._clock()
        with self._lock:
            rows, rest = visible(tuple(self._rows.values()), lines)
        table = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, None, 1, None):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for row in rows:
            mark, style = _MARKS[row.state]
            seconds = f"{(now if row.ended is None else row.ended) - row.began:.1f} s"
            # Text, not str: a step's name holds brackets, which would be read as markup.
            table.add_row(Text(mark, style), Text(row.flow, "bold"), Text(row.text), Text(seconds, "dim"))
        if rest:
            table.add_row("", "", Text(rest, "dim"), "")
        return table


def progress_for(stream: TextIO, env: Mapping[str, str], *, silent: bool = False) -> Display:
    """The display that suits: silence where it is asked for, live in a terminal, plain lines anywhere else."""
    if silent:
        return SilentProgress()
    in_ci = env.get("CI", "").lower() not in ("", "0", "false")
    if stream.isatty() and not in_ci and env.get("TERM") != "dumb":
        return LiveProgress(stream)
    return PlainProgress(stream, _folding(env))


def _folding(env: Mapping[str, str]) -> tuple[str, str]:
    """The lines with which the log of the CI that this runs in folds away what is between them."""
    if env.get("GITHUB_ACTIONS") == "true":
        return "::group::Steps", "::endgroup::"
    if env.get("GITLAB_CI") == "true":
        now = int(time.time())
        return (
            f"\x1b[0Ksection_start:{now}:steps[collapsed=true]\r\x1b[0KSteps",
            f"\x1b[0Ksection_end:{now}:steps\r\x1b[0K",
        )
    return "", ""
