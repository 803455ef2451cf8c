"""Tests in two processes: nothing of what either does is lost, and a half that ends early is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.yard import ROOT
from tests.support import write_files

CONFTEST = """
from tests.halves import Halves

def pytest_configure(config):
    config.pluginmanager.register(Halves(enough=2))
"""
# Each file waits for the other: in one process they would wait for ever, and time out.
MEET = """
import os, time
from pathlib import Path

import pytest

HERE = Path(__file__).parent

def test_meets():
    (HERE / "{own}").write_text(str(os.getpid()))
    for _ in range(1200):
        if (HERE / "{other}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the other file is not run meanwhile")

{more}
"""
FAILS = """
@pytest.mark.parametrize("number", [1, 2])
def test_fails(number):
    print("printed by", "{own}")
    assert number == 1
"""
STOPS = """
def test_stops(request):
    request.session.shouldstop = "enough"

def test_is_not_run():
    pass
"""
DIES = """
def test_dies():
    if os.getppid() != {parent}:
        os._exit(0)
"""


def ran(folder: Path, more: str, *options: str) -> subprocess.CompletedProcess[str]:
    for own, other in (("one", "two"), ("two", "one")):
        text = MEET.format(own=own, other=other, more=more.format(own=own, parent=os.getpid()))
        write_files(folder, {f"test_{own}.py": text})
    write_files(folder, {"conftest.py": CONFTEST, "pytest.ini": "[pytest]\n"})
    words = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *options, "."]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def test_both_halves_are_told_of(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("needs two cores")
    done = ran(tmp_path, FAILS)
    assert done.stdout.splitlines()[-1].startswith("2 failed, 4 passed in ")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()
    for own in ("one", "two"):
        assert f"FAILED test_{own}.py::test_fails[2] - assert 2 == 1" in done.stdout
        assert f"PASSED test_{own}.py::test_meets" in done.stdout
        assert done.stdout.count(f"printed by {own}") == 2


def test_both_halves_stop_when_a_test_says_so(tmp_path: Path) -> None:
    write_files(tmp_path, {"test_zzz.py": "def test_is_not_run_either(): pass\n"})
    done = ran(tmp_path, STOPS)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "Interrupted: enough" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("4 passed in ")


def test_a_half_that_ends_early_is_an_error(tmp_path: Path) -> None:
    done = ran(tmp_path, DIES)
    assert done.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert "RuntimeError: the second process of the tests ended before it told of them" in done.stdout
