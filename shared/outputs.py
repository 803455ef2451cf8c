"""Where a flow writes its files.

A run's container is removed when it ends, so what should stay goes to a folder that outlives it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def output_folder(flow: str) -> Path:
    """The folder for files of `flow`, created when missing.

    It is below the environment variable OUTPUT_FOLDER, or below the temporary folder when that is not set.
    """
    configured = os.environ.get("OUTPUT_FOLDER")
    root = Path(configured) if configured else Path(tempfile.gettempdir()) / "flow-outputs"
    folder = root / flow
    folder.mkdir(parents=True, exist_ok=True)
    return folder
