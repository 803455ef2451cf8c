"""Every error Flowyard raises on purpose, each with the exit code it ends the program with.

One file, so that a reader sees at a glance what can go wrong and what a script may rely on.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self


class FlowyardError(Exception):
    """What failed and why (`message`), what to do (`hint`) and where the full log is (`log`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        return self.message

    def retold(self, message: str, *, hint: str = "") -> Self:
        """The same error in other words, with this hint where it has none. Whoever holds the error itself sees no
        change."""
        told = type(self).__new__(type(self), message)
        vars(told).update(vars(self), message=message, hint=self.hint or hint)
        return told


class FlowFailed(FlowyardError):
    """At least one flow could not be shipped, or a run that was followed did not complete."""


class BuildFailed(FlowFailed):
    """BuildKit could not build an image; the hint names the failing step's likely cause."""


class PushFailed(BuildFailed):
    """The image was built, and the push of it failed: what the registry holds is for the registry to say."""


class Unfinished(FlowFailed):
    """Not begun, or ended early, because another flow failed first or somebody interrupted: no failure of its own.

    Beside others that failed it does not count for the exit code.
    """


class CheckFailed(FlowFailed):
    """The image was built but could not import or describe its own flow."""


class UsageError(FlowyardError):
    """The command line asks for something that does not exist."""

    exit_code = 2


def one_line(text: str) -> str:
    """The text with what would break a line or move a terminal's cursor escaped, as TOML may write it."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


class Problem:
    """One finding in a configuration file: where, what was found, what is allowed."""

    __slots__ = ("file", "key", "text")

    def __init__(self, file: str, key: str, text: str) -> None:
        self.file = file
        self.key = key
        self.text = text

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return one_line(f"{where}: {self.text}")

    def __repr__(self) -> str:
        return f"Problem({self!s})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class ConfigurationError(FlowyardError):
    """Everything that is wrong with the configuration, at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count} in the configuration:\n{lines}")


class StateError(FlowyardError):
    """The state file of the embedded services cannot be understood."""


class EngineError(FlowyardError):
    """The Docker engine or buildx is missing, too old or did not answer."""

    exit_code = 4


class RegistryError(FlowyardError):
    """The container registry refused, or answered something that cannot be true."""

    exit_code = 5


class PrefectError(FlowyardError):
    """The Prefect API refused, could not be reached, or kept something other than what was sent."""

    exit_code = 6


class Refused(PrefectError):
    """The Prefect API answered, but not with success. `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotFound(Refused):
    """There is no such object (404)."""


class Conflict(Refused):
    """It contradicts what is there, such as a second object of the same name (409)."""


class Gone(Refused):
    """It was there and is not any more, such as a lease that expired (410)."""


class Locked(Refused):
    """No slot of a concurrency limit is free (423)."""


class Unreachable(PrefectError):
    """There was no answer. `sent` says whether the server may have received the request."""

    def __init__(self, message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class LockError(FlowyardError):
    """A lock is missing, stale or cannot be made."""

    exit_code = 7


class OrderError(FlowyardError):
    """Another ship of this flow is running, or a newer commit is already deployed."""

    exit_code = 8


class Busy(OrderError):
    """Another ship holds the leases of some flows. `names` are those of the limits it holds."""

    def __init__(self, message: str, *, names: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.names = tuple(names)


class AwsError(FlowyardError):
    """AWS did not answer, nobody is logged in to it, or what it holds is not what is wanted."""

    exit_code = 9


class AwsRefused(AwsError):
    """AWS answered a call with an error. `code` is its word for it, such as `AccessDeniedException`."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Defect(FlowyardError):
    """An error that nobody foresaw; the message holds its traceback."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h


def expected(error: Exception) -> FlowyardError:
    """The error as one of ours: files that cannot be read are for the user to mend, the rest are defects."""
    if isinstance(error, FlowyardError):
        return error
    if isinstance(error, OSError | UnicodeError):
        of_a_file = isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError | UnicodeError)
        hint = "make the file readable, then try again" if of_a_file else ""
        return FlowyardError(f"{type(error).__name__}: {error}", hint=hint)
    return Defect(
        "".join(traceback.format_exception(error)).rstrip(),
        hint="this is a defect of Flowyard; please report it",
    )
