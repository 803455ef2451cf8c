"""Where a flow writes its files.

An image runs as an unprivileged user: the folder of the flow is read-only there, the temporary folder is not.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def output_folder(flow: str) -> Path:
    """The folder for files of `flow`, created when missing: below OUTPUT_FOLDER, else the temporary folder."""
    root = os.environ.get("OUTPUT_FOLDER") or os.path.join(tempfile.gettempdir(), "flow-outputs")
    folder = Path(root) / flow
    folder.mkdir(parents=True, exist_ok=True)
    return folder
