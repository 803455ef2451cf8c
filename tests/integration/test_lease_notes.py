"""Notes of leases, with real processes: the death of a holder is seen, its life is never overlooked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flowyard.adapters.lease_notes import FileNotes, machine
from tests.integration.yard import ROOT

HOLD = """import sys, time
from pathlib import Path
from flowyard.adapters.lease_notes import FileNotes

notes = FileNotes(Path(sys.argv[1]))
notes.keep("lease-1")
print("held", flush=True)
time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds lease-1."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_holder_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    notes = FileNotes(tmp_path / "leases")
    with holder(tmp_path / "leases") as process:
        assert notes.dead() == ()
        process.kill()
    assert notes.dead() == ("lease-1",)
    notes.drop("lease-1")
    assert notes.dead() == ()
    assert list((tmp_path / "leases").iterdir()) == []


def test_what_this_process_holds_is_not_dead_and_leaves_nothing(tmp_path: Path) -> None:
    notes = FileNotes(tmp_path / "leases")
    notes.keep("lease-2")
    assert (notes.dead(), FileNotes(tmp_path / "leases").dead()) == ((), ())
    notes.drop("lease-2")
    assert list((tmp_path / "leases").iterdir()) == []


def test_another_machine_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "lease-3").write_text("another machine")
    (tmp_path / "lease-4").write_text(machine())
    assert FileNotes(tmp_path).dead() == ("lease-4",)


def test_where_nothing_can_be_written_nothing_is_noted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notes = FileNotes(tmp_path / "file/leases")
    notes.keep("lease-5")
    assert notes.dead() == ()
    notes.drop("lease-5")
