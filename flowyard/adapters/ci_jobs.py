"""The CI job that a command runs in: GitHub's or GitLab's, by the files and the log that they read."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from flowyard.errors import FlowyardError
from flowyard.reporting import github, gitlab
from flowyard.reporting.account import Account
from flowyard.reporting.markdown import SUMMARY_BYTES, markdown
from flowyard.reporting.places import Annotation, places
from flowyard.state_folder import CI_FILES, STATE_FOLDER

_LOG_LINES = 1000  # of a failed build that are shown; the whole log is a file


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files that annotations point to: the project's, by their paths in the repository around it."""

    root: Path
    repository: Path

    def read(self, name: str) -> str | None:
        """The text of a file of the project, None where there is none."""
        try:
            return (self.root / name).read_text("utf-8")
        except (OSError, UnicodeError):
            return None

    def places(self, account: Account) -> Iterator[tuple[str, Annotation]]:
        """What is wrong and where, with the flow it is wrong with."""
        if account.error is not None:
            yield from (("Flowyard", self._moved(place)) for place in places(account.error, "", self.read))
        for flow in account.failed:
            if flow.error is not None:
                found = places(flow.error, flow.flow, self.read)
                yield from ((flow.flow, self._moved(place)) for place in found)

    def _moved(self, place: Annotation) -> Annotation:
        if not place.file or not self.root.is_relative_to(self.repository):
            return place
        inside = self.root.relative_to(self.repository) / place.file
        return Annotation(inside.as_posix(), place.line, place.text)


@dataclass(frozen=True, slots=True)
class GithubJob:
    """A step of GitHub Actions: annotations and groups in its log, a summary, and outputs."""

    environ: Mapping[str, str]
    stream: TextIO

    def tell(self, account: Account, root: Path, split: int) -> None:
        """As CiJob.tell."""
        repository = Path(self.environ.get("GITHUB_WORKSPACE") or root).resolve()
        checkout = Checkout(root.resolve(), repository)
        for line in github.error_commands(checkout.places(account)):
            print(line, file=self.stream)
        for flow in account.failed:
            if flow.error is not None:
                self._show_log(flow.flow, flow.error)
        self._append("GITHUB_STEP_SUMMARY", markdown(account, self._room()))
        self._append("GITHUB_OUTPUT", github.output_lines(github.outputs(account, split)))

    def _room(self) -> int:
        """What is left of the step's summary: others of the same step may have written to it."""
        path = self.environ.get("GITHUB_STEP_SUMMARY", "")
        taken = Path(path).stat().st_size if path and Path(path).exists() else 0
        return max(SUMMARY_BYTES - taken, 1000)

    def _show_log(self, flow: str, error: FlowyardError) -> None:
        text = last_lines(error.log)
        if text:
            print(github.command("group", f"{flow}: build log"), file=self.stream)
            print(github.quoted(text, secrets.token_hex(16)), file=self.stream)
            print(github.command("endgroup"), file=self.stream)

    def _append(self, variable: str, text: str) -> None:
        path = self.environ.get(variable)
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)


@dataclass(frozen=True, slots=True)
class GitlabJob:
    """A job of GitLab: sections in its log, and files that its artifacts and later jobs are made of."""

    environ: Mapping[str, str]
    stream: TextIO

    def tell(self, account: Account, root: Path, split: int) -> None:
        """As CiJob.tell."""
        repository = Path(self.environ.get("CI_PROJECT_DIR") or root).resolve()
        checkout = Checkout(root.resolve(), repository)
        for flow in account.failed:
            text = last_lines(flow.error.log) if flow.error is not None else ""
            if text:
                title = f"{flow.flow}: build log"
                print(gitlab.section(f"log_{flow.flow}", title, text, int(time.time())), file=self.stream)
        folder = repository / STATE_FOLDER / CI_FILES
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier command of the same job
        files = {
            "codequality.json": gitlab.code_quality(checkout.places(account)),
            "flowyard.env": gitlab.dotenv(account),
            "outputs.json": gitlab.outputs(account),
            "summary.md": markdown(account, SUMMARY_BYTES),
            **{f"groups/{name}": text for name, text in gitlab.groups(account, split).items()},
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")


def last_lines(log: Path | None) -> str:
    """The end of a build's log; empty when there is none."""
    if log is None or not log.is_file():
        return ""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])
