"""Options that every kind of test understands."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.golden_files")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected files of tests/golden anew"
    )
