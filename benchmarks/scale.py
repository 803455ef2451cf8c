#!/usr/bin/env python3
"""`python benchmarks/scale.py`: many flows at once; scale_command.py does the work.

Runs without an activated environment, like build.py: the one that scripts/environment made is used.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"

if __name__ == "__main__":
    if OWN_PYTHON.exists() and Path(sys.prefix).resolve() != ROOT / ".venv":
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), *sys.argv])
    sys.path[0] = str(ROOT)
    from benchmarks.scale_command import main

    sys.exit(main(sys.argv[1:]))
