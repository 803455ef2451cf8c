"""One time for all that an install step made, and no file of a lower layer written again for it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "images/scripts/one_time.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("one_time", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_folders_and_links_get_the_time(script: ModuleType, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("as it was")
    venv = tmp_path / "opt/venv"
    (venv / "lib/package").mkdir(parents=True)
    (venv / "lib/package/module.py").write_text("")
    (venv / "link").symlink_to(outside)
    (venv / "loop").symlink_to(venv)
    before = outside.stat().st_mtime
    script.main(str(venv))
    made = [venv.parent, venv, *venv.rglob("*")]
    assert {os.lstat(path).st_mtime for path in made} == {script.WHEN}
    assert outside.stat().st_mtime == before

    (venv / "lib/later.py").write_text("")
    changed = {path: path.lstat().st_ctime_ns for path in made}
    script.main(str(venv))
    assert [path for path in made if path.lstat().st_ctime_ns != changed[path]] == [venv / "lib"]
    assert (venv / "lib/later.py").stat().st_mtime == script.WHEN
