"""When each step of a build ran, kept beside the build's log: what a report page is drawn from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step: what came of it, when it began (seconds since 1970) and how long it took."""

    name: str
    state: str
    began: float
    seconds: float


def steps_file(log: Path) -> Path:
    """Where the steps of the build with this log are kept."""
    return log.with_suffix(".steps.json")


def keep_steps(steps: Iterable[StepTime], log: Path) -> None:
    """Keep the steps of a build. A disk that is full must not decide how the build ends."""
    with suppress(OSError):
        text = json.dumps([asdict(step) for step in steps])
        steps_file(log).write_text(text, encoding="utf-8")


def kept_steps(log: Path, since: float) -> tuple[StepTime, ...]:
    """The steps of the last build with this log; none where that ended before `since`.

    By this machine's clock: the engine, whose clock the steps have, may be another one.
    """
    file = steps_file(log)
    try:
        if file.stat().st_mtime < since:
            return ()
        return tuple(StepTime(**entry) for entry in json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()
