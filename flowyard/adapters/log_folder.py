"""The logs of builds as files of the state folder."""

from __future__ import annotations

from pathlib import Path

from flowyard.state_folder import build_log


class LogFolder:
    """Keeps the full log of each flow's last build in a state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def path(self, flow: str) -> Path:
        """As LogFiles.path."""
        log = build_log(self._state, flow)
        log.parent.mkdir(parents=True, exist_ok=True)
        return log
