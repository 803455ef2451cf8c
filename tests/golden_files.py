"""Expected files under tests/golden: compared whole, and written anew by `pytest --update-golden`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden"


def compare(folder: Path, found: Mapping[str, str], *, update: bool) -> None:
    """The files of `folder` are exactly `found` (name to text); with `update` they are written first."""
    if update:
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        for name, text in found.items():
            (folder / name).write_text(text, encoding="utf-8")
    expected = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir())}
    assert dict(found) == expected
