"""How people call this program here, which is what hints tell them to type.

Who installed the command in a repository of their own has no build.py there: a hint that cannot be followed is none.
"""

from __future__ import annotations

import sys
from pathlib import PurePath


def called(path: str) -> str:
    """The words that call the program whose file this is, as in `sys.argv[0]`."""
    file = PurePath(path)
    if file.stem == "flowyard":
        return "flowyard"
    return "python -m flowyard" if file.parts[-2:] == ("flowyard", "__main__.py") else "python build.py"


PROGRAM = called(sys.argv[0])
