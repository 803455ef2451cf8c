"""Remembered Dockerfiles are the rendered ones, whatever changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.load import load
from flowyard.planning.render_memo import RenderMemo
from flowyard.render import Rendered, render
from tests.support import make_project, write_files

LOCKS = ("prefect.lock",)
END = '{% include "partials/end.j2" %}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    own = '{% extends "Dockerfile.j2" %}\n{% block base %}{% include "part.txt" %}'
    own += '{% include "later.txt" ignore missing %}{% endblock %}\n'
    return make_project(
        tmp_path / "project",
        {"flows/hello/Dockerfile.j2": own, "flows/hello/part.txt": "RUN first\n"},
    )


def both(root: Path, memo: RenderMemo) -> tuple[Rendered, Rendered]:
    (flow,) = load(root).flows
    return memo(root, flow, LOCKS), render(root, flow, LOCKS)


def test_it_remembers(root: Path, tmp_path: Path) -> None:
    memo = RenderMemo(tmp_path / "memo")
    first, plain = both(root, memo)
    (kept,) = (tmp_path / "memo").iterdir()
    assert (first, memo(root, load(root).flows[0], LOCKS)) == (plain, plain)
    kept.write_text(kept.read_text().replace("RUN first", "RUN remembered"))
    assert "RUN remembered" in memo(root, load(root).flows[0], LOCKS).text


@pytest.mark.parametrize(
    "files",
    [
        {"images/Dockerfile.j2": f"FROM scratch AS source\n{{% block base %}}{{% endblock %}}\n{END}"},
        {"images/partials/end.j2": "FROM source AS other\n"},
        {"images/partials/check.j2": "RUN other\n"},
        {"flows/hello/Dockerfile.j2": f"FROM scratch AS source\n{END}"},
        {"flows/hello/part.txt": "RUN second\n"},
        {"images/part.txt": "RUN first of all\n"},  # templates are looked for there first
        {"flows/hello/later.txt": "RUN third\n"},
        {"flows/hello/flow.toml": 'system-packages = ["git"]\nentrypoint = "flow.py:hello"\n'},
        {
            "flows/hello/Dockerfile.j2": None,
            "flows/hello/Dockerfile": "FROM scratch AS source\n",
            "images/bases.lock": "[bases]\n",
        },
    ],
)
def test_what_was_rendered_from_something_else_is_not_taken(
    root: Path, tmp_path: Path, files: dict[str, str | None]
) -> None:
    memo = RenderMemo(tmp_path / "memo")
    before, _ = both(root, memo)
    write_files(root, files)
    after, plain = both(root, memo)
    assert after == plain
    assert after != before


def test_a_broken_memory_and_an_unwritable_folder_are_no_errors(root: Path, tmp_path: Path) -> None:
    memo = RenderMemo(tmp_path / "memo")
    both(root, memo)
    (kept,) = (tmp_path / "memo").iterdir()
    kept.write_text("{")
    remembered, plain = both(root, memo)
    assert remembered == plain
    (tmp_path / "file").touch()
    remembered, plain = both(root, RenderMemo(tmp_path / "file"))
    assert remembered == plain
