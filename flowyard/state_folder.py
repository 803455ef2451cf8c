"""What commands keep on this machine, by its names in the state folder, and what of it may be deleted.

Nothing of it is needed to ship: what is true stands in Prefect and in the container registry. Beside it lies the
data of the embedded services, which `down --delete-data` deletes.
"""

from __future__ import annotations

from pathlib import Path

STATE_FOLDER = ".flowyard"  # below the project's root

# May be deleted at any time.
LOGS = Path("logs")  # of the embedded services
BUILD_LOGS = LOGS / "build"  # of each flow's last build
RENDERED = Path("rendered")  # Dockerfiles, by what they were rendered from

# May not be deleted while a command runs.
CONTEXTS = Path("contexts")  # build contexts, in a folder for each command by its process id
LEASES = Path("leases")  # notes of the leases that ships hold, by target: the next one frees a killed one's
CI_FILES = Path("ci")  # for later jobs of a GitLab pipeline, where the repository has its root


def build_log(state: Path, flow: str) -> Path:
    """The log of a flow's last build, in a state folder: who writes it, reads it or tidies up finds the same file."""
    return state / BUILD_LOGS / f"{flow}.log"
