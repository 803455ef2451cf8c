"""Who is told what a command did, beside its output: the CI job it runs in, a comment, a page."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flowyard.commands.ci import comment, only_warning, tell
from flowyard.errors import UsageError
from flowyard.reporting.job import listens

if TYPE_CHECKING:
    from flowyard.reporting.account import Account
    from flowyard.target import Target
    from flowyard.values import Project


@dataclass(frozen=True, slots=True)
class Telling:
    """What was asked for. `split` is in how many groups a CI's jobs build; `began` is when the command did."""

    comment: bool = False
    split: int = 1
    report: str | None = None
    began: float = field(default_factory=time.time)

    @property
    def wanted(self) -> bool:
        """Whether anybody is told anything."""
        return self.comment or self.report is not None or listens(os.environ)

    def check(self) -> None:
        """Raise UsageError for a page that could not be written, before anything is done."""
        if self.report is None:
            return
        path = Path(self.report)
        if path.is_dir():
            raise UsageError(f"--report: {self.report} is a folder", hint="name a file, as in report.html")
        if not path.parent.is_dir():
            raise UsageError(f"--report: there is no folder {path.parent}", hint="make it first")

    def tell(self, account: Account, project: Project, target: Target, asked: str | None = None) -> None:
        """Tell everybody, the job's later steps first. `asked` is the target as it was given. What cannot be told
        is a warning: it decides nothing, and the others are told."""
        tell(account, os.environ, sys.stderr, split=self.split)
        if self.report is not None:
            with only_warning("the report page was not written", sys.stderr):
                from flowyard.reporting.page_file import write_page
                from flowyard.wiring import open_layers

                write_page(Path(self.report), account, project, open_layers(target), self.began)
                sys.stderr.write(f"report: {self.report}\n")
        if self.comment:
            comment(account, asked or "", os.environ, sys.stderr)
