"""The copy of a process that becomes the engine: it waits, is told, and ends as a program of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import atexit, os, signal, sys, threading, time
from flowyard.runtime.engine_copy import copied

def ended(copy, seconds=30):
    deadline = time.monotonic() + seconds
    while not copy.has_ended():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return copy.exitcode

def run():
    print("told", os.environ["TOLD"], os.getsid(0) == os.getpid(), flush=True)
    atexit.register(print, "said at the exit", flush=True)
    {act}

sys.stdout.write("before ")  # not flushed: it must not be said twice
copy = copied(run)
"""
GO = 'copy.go({"TOLD": "so"})\nprint("ended", ended(copy), os.environ.get("TOLD"))\n'


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("pass", "told so True\nsaid at the exit\nended 0 None"),
        ("sys.exit(17)", "told so True\nsaid at the exit\nended 17 None"),
        ("raise ValueError('no')", "told so True\nsaid at the exit\nended 1 None"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "told so True\nended -9 None"),
    ],
    ids=["ends", "exits", "raises", "killed"],
)
def test_it_ends_as_a_program_does(act: str, said: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", BEGIN.format(act=act) + GO], capture_output=True, text=True, check=False
    )
    assert (found.stdout.strip(), found.returncode) == (f"before {said}", 0)
    assert ("ValueError: no" in found.stderr) == ("ValueError" in act)


def test_it_ends_when_there_is_nothing_for_it_to_do() -> None:
    """Its maker has ended, or has found that the run was cancelled before it began."""
    leave = "os.close(copy._told)\nprint('ended', ended(copy))"
    found = subprocess.run(
        [sys.executable, "-c", BEGIN.format(act="pass") + leave], capture_output=True, text=True, check=True
    )
    assert found.stdout == "before ended 0\n"


def test_there_is_none_where_threads_run() -> None:
    before = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    found = subprocess.run(
        [sys.executable, "-c", before + BEGIN.format(act="pass") + "print(copy)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "before None\n"


def test_one_that_is_killed_has_ended() -> None:
    """Before it was told anything, too: nobody waits for what is dead."""
    act = "print('sleeps', flush=True); time.sleep(600)"
    kill = "copy.kill()\nprint('ended', copy.exitcode)\n"
    for begin in ("", 'copy.go({"TOLD": "so"})\ntime.sleep(0.5)\n'):
        found = subprocess.run(
            [sys.executable, "-c", BEGIN.format(act=act) + begin + kill],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.endswith("ended -9\n"), found.stdout


def test_the_engine_is_begun_as_by_its_own_command() -> None:
    """Without a run to execute it says so, and warns of nothing."""
    program = (
        "import time, prefect.flow_engine\n"
        "from flowyard.runtime.engine_copy import copied, run_engine\n"
        "copy = copied(run_engine)\n"
        "copy.go({'TOLD': 'so'})\n"
        "while not copy.has_ended(): time.sleep(0.01)\n"
        "print('ended', copy.exitcode)\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "ended 1\n", found.stderr
    assert "Invalid flow run id" in found.stderr
