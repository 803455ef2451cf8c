"""A type checker takes right calls of Docker tasks, and refuses each wrong one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mypy.api
import pytest

from tests.golden_files import GOLDEN
from tests.support import REPOSITORY

CASES = GOLDEN / "stubs"
UNMAPPED = """from typing import Generic, TypeVar

T = TypeVar("T")


class unmapped(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the type checker knows of the standard library: the most of its work, done once."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("kind", ["from_images", "from_code"])
def test_calls_are_checked(tmp_path: Path, cache: Path, kind: str) -> None:
    for stub in (CASES / kind).iterdir():
        *folders, name, suffix = stub.name.split(".")
        place = tmp_path.joinpath("typings/flowyard", *folders, f"{name}.{suffix}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stub, place)
    for caller in (CASES / "callers").iterdir():
        shutil.copy(caller, tmp_path)
    (tmp_path / "prefect_stand_in.py").write_text(UNMAPPED)  # prefect itself takes long to check
    settings = f"[mypy]\nstrict = true\nmypy_path = {tmp_path}/typings:{tmp_path}:{REPOSITORY}\n"
    (tmp_path / "mypy.ini").write_text(settings)
    said, complaints, _ = mypy.api.run(
        [
            *("--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(cache)),
            *("--no-site-packages", "--hide-error-context", "--no-error-summary"),
            *(str(tmp_path / name) for name in ("right.py", "wrong.py")),
        ]
    )
    assert complaints == ""
    found = re.findall(r"^.*?(\w+)\.pyi?:(\d+): error: .*  \[(.+)\]$", said, re.MULTILINE)
    lines = (CASES / "callers/wrong.py").read_text().splitlines()
    wanted = [
        ("wrong", str(n), line.partition("  # ")[2]) for n, line in enumerate(lines, 1) if "  # " in line
    ]
    assert found == wanted, said
