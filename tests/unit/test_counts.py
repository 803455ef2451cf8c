"""The counts at the end of a run: of files that exist, and of the right kind."""

from __future__ import annotations

from tests.counts import KINDS, counted, not_tried
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


def test_what_was_not_tried_is_told_with_its_reason() -> None:
    reasons = ["Skipped: ECR by its real host name: it takes root", "Skipped: other things"] * 2
    assert not_tried(reasons) == [
        "not tried here: 2 tests of ECR by its real host name: it takes root",
        "not tried here: 2 tests of other things",
    ]
    assert not_tried([]) == []
