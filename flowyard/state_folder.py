"""What commands keep below the project's state folder, and may be deleted at any time."""

from __future__ import annotations

from pathlib import Path

BUILD_LOGS = Path("logs/build")  # of each flow's last build
RENDERED = Path("rendered")  # Dockerfiles, by what they were rendered from
CONTEXTS = Path("contexts")  # build contexts, in a folder for each command by its process id
