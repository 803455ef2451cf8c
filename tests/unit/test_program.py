"""Hints say what somebody can type: the installed command where that was called, and the file where it was."""

from __future__ import annotations

import pytest

from flowyard.program import called


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("build.py", "python build.py"),
        ("/acme/build.py", "python build.py"),
        ("/opt/venv/bin/flowyard", "flowyard"),
        ("C:/venv/Scripts/flowyard.exe", "flowyard"),
        ("/opt/venv/lib/flowyard/__main__.py", "python -m flowyard"),
        ("/opt/venv/lib/pytest/__main__.py", "python build.py"),
        ("-c", "python build.py"),
    ],
)
def test_a_command_is_told_as_it_was_called(path: str, words: str) -> None:
    assert called(path) == words
