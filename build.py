#!/usr/bin/env python3
"""Entry point: `python build.py flows/etl`, the same program as the installed command `flowyard`.

It runs without an activated environment: the one that scripts/environment made is used when it is there.
Nobody imports this file.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"


def main() -> None:
    """Hand over to the project's own environment, or to the command line itself."""
    if OWN_PYTHON.exists() and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), *sys.argv])
    try:
        from flowyard.entry import program
    except ModuleNotFoundError as error:
        sys.exit(
            f"error: {error.name} is not installed here\n  hint: run scripts/environment first, or scripts/demo"
        )
    program()


if __name__ == "__main__":
    main()
