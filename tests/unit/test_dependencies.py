"""The three places in which a flow may declare what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.configuration.dependencies import (
    DependencyError,
    read_dependencies,
    requirements_of_pyproject,
    requirements_of_script,
    requirements_of_text,
)
from flowyard.values import Dependencies
from tests.support import write_files


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", ()),
        ("# only a comment\n\n", ()),
        ("pandas\n  attrs>=1 # why\r\nidna\n", ("pandas", "attrs>=1", "idna")),
        ("x @ https://example.com/x.whl#sha256=1\n", ("x @ https://example.com/x.whl#sha256=1",)),
        ('a; python_version < "3.12"\n', ('a; python_version < "3.12"',)),
    ],
)
def test_requirements_txt(text: str, requirements: tuple[str, ...]) -> None:
    assert requirements_of_text(text) == requirements


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url https://x", "-e .", "  -c x.txt"])
def test_options_are_refused(line: str) -> None:
    with pytest.raises(DependencyError, match=f"^holds the option `{line.split()[0]}`"):
        requirements_of_text(f"attrs\n{line}\n")


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("[tool.x]\n", None),
        ("[project]\n", ()),
        ('[project]\ndependencies = ["a", "b>1"]\n', ("a", "b>1")),
    ],
)
def test_pyproject_toml(text: str, requirements: tuple[str, ...] | None) -> None:
    assert requirements_of_pyproject(text) == requirements


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("import x\n", None),
        ("# /// script\n# ///\n", None),
        ("# /// script\n# requires-python = '>=3.11'\n# ///\n", ()),
        (
            '#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   "a",\n#\n#   "b",\n# ]\n# ///\n',
            ("a", "b"),
        ),
    ],
)
def test_script_headers(text: str, requirements: tuple[str, ...] | None) -> None:
    assert requirements_of_script(text) == requirements


def test_a_pyproject_without_a_project_does_not_count(tmp_path: Path) -> None:
    write_files(tmp_path, {"f/pyproject.toml": "[tool.x]\n", "f/requirements.txt": "a\n"})
    assert read_dependencies(tmp_path, Path("f"), "flow.py") == (
        Dependencies("requirements.txt", Path("f/requirements.txt"), ("a",)),
        (),
    )


def test_broken_files_are_problems_with_their_name(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"f/pyproject.toml": "[project\n", "f/flow.py": b"\xff", "f/requirements.txt": "-e .\n"}
    )
    found, problems = read_dependencies(tmp_path, Path("f"), "flow.py")
    assert found == Dependencies("none", None, ())
    assert [str(problem).partition(": ")[0] for problem in problems] == [
        "f/requirements.txt",
        "f/pyproject.toml",
        "f/flow.py",
    ]
