"""A heading that a message sends people to is there: in the README, or in that of the templates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support import REPOSITORY

NAMED = re.compile(r"((?:[\w-]+/)*README\.md)[^'`]*, (?:in )?['`]([^'`]+)['`]")


def texts() -> Iterator[str]:
    """Every text of the package, put together as Python does it with one that stands on several lines."""
    for path in (REPOSITORY / "flowyard").rglob("*.py"):
        source = path.read_text("utf-8")
        if "README.md" in source:
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_heading_that_a_message_names_is_there() -> None:
    named = {found for text in texts() for found in NAMED.findall(text)}
    assert {file for file, _ in named} == {"README.md", "images/README.md"}
    assert [
        (file, heading)
        for file, heading in named
        if f"\n## {heading}\n" not in (REPOSITORY / file).read_text("utf-8")
    ] == []
