"""Reads the recorded progress streams of real builds (docker buildx 0.13.1, `--progress=rawjson`)."""

from __future__ import annotations

from pathlib import Path

from flowyard.building.buildkit_progress import BuildReader, Event

FOLDER = Path(__file__).parent.parent / "golden" / "buildkit"


def replay(name: str) -> tuple[BuildReader, tuple[Event, ...]]:
    """The reader after the whole recording, and every event it told."""
    return replay_lines((FOLDER / f"{name}.rawjson").read_text("utf-8").splitlines())


def replay_lines(lines: list[str]) -> tuple[BuildReader, tuple[Event, ...]]:
    """As `replay`, for lines of one's own."""
    reader = BuildReader()
    events = [event for line in lines for event in reader.read(line)]
    return reader, (*events, *reader.finish())
