"""The counts at the end of a run: of files that exist, and of the right kind."""

from __future__ import annotations

from tests.counts import KINDS, counted
from tests.support import REPOSITORY


def test_every_counted_file_exists() -> None:
    assert [
        prefix for prefix in KINDS if not list(REPOSITORY.glob(f"{prefix.removesuffix('.py')}*.py"))
    ] == []


def test_tests_are_counted_by_kind() -> None:
    names = [
        "tests/unit/test_mistakes.py::test_a[x]",
        "tests/unit/test_mistakes_shipped.py::test_b",
        "x.py::c",
    ]
    assert counted(names) == {"wrong inputs": 2}
    assert counted([]) == {}
