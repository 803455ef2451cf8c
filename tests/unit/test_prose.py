"""Prose in Markdown has at most 120 characters a line.

Longer lines are read badly in diffs and terminals, and no linter here looks at Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

WIDTH = 120
FOLDERS = ("docs", "images", "benchmarks", "flows")
FENCE = re.compile(r" *(`{3,}|~{3,})")


def pages() -> list[Path]:
    below = [page for folder in FOLDERS for page in sorted((REPOSITORY / folder).rglob("*.md"))]
    return [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *below]


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that can be broken: no table, no code, no comment, and more than one word."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        marker = FENCE.match(line)
        if marker and not fence:
            fence = marker[1]
        elif marker and marker[1].startswith(fence):
            fence = ""
        elif not fence and not line.lstrip().startswith(("|", "<!--")) and len(line.split()) > 1:
            yield number, line


def test_no_line_of_prose_is_too_long() -> None:
    found = [
        f"{page.relative_to(REPOSITORY)}:{number}: {len(line)} characters"
        for page in pages()
        for number, line in prose(page.read_text("utf-8"))
        if len(line) > WIDTH
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a b\n\n- c d", [1, 3]),
        ("a b\n```text\nc d\n```\ne f", [1, 5]),
        ("1. a\n\n   ~~~\n   ```\n   c d\n   ~~~\n   e f", [1, 7]),
        ("| a | b |\n<!-- a b -->\nhttps://flowyard.example/a", []),
    ],
)
def test_what_counts_as_prose(text: str, lines: list[int]) -> None:
    assert [number for number, _ in prose(text)] == lines
