"""Whether a command runs in a job of a CI system, and what such a job is told.

The environment decides alone, so that whoever asks needs nothing that talks to a CI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flowyard.reporting.account import Account


class CiJob(Protocol):
    """The job of a CI system."""

    def tell(self, account: Account, root: Path, split: int) -> None:
        """Show the account, and leave what later jobs may use. Flows to build are split into so many groups."""
        ...


def listens(environ: Mapping[str, str]) -> bool:
    """Whether this is a CI job that is told."""
    return on_github(environ) or environ.get("GITLAB_CI") == "true"


def on_github(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"
