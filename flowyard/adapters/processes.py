"""Starts programs and waits for them: the one place that does for short commands.

Output is captured whole and nothing is read from the terminal, because no step may ask a question.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROGRAM_MISSING = 127  # as a shell has it


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished program left: its exit code (negative for a signal) and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class SystemProcesses:
    """Programs of this machine."""

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
        """Run to the end. `env` is the whole environment; None hands on this process's own.

        A non-zero exit is not an error here; a program that is not there has exit code 127.
        """
        try:
            done = subprocess.run(
                list(argv),
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except (FileNotFoundError, PermissionError) as error:
            return Finished(PROGRAM_MISSING, "", f"{argv[0]}: {error.strerror}")
        return Finished(done.returncode, done.stdout, done.stderr)


def is_alive(process: int) -> bool:
    """Whether a process with this id runs, whoever's it is."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
