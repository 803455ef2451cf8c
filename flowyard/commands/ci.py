"""Tells the CI job that a command runs in what the command came to. Outside of CI nobody is told anything.

Telling never decides how a command ends: what cannot be told is said as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from flowyard.errors import FlowyardError, UsageError
from flowyard.reporting.job import listens

if TYPE_CHECKING:
    from flowyard.reporting.account import Account


@contextmanager
def only_warning(what: str, stream: TextIO) -> Iterator[None]:
    """Whatever goes wrong in the block is one warning, which begins with `what`."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, FlowyardError | OSError)
        hint = error.hint if isinstance(error, FlowyardError) else ""
        why = str(error) if known else f"{type(error).__name__}: {error}"
        print(f"warning: {what}: {why}{f' ({hint})' if hint else ''}", file=stream)


def tell(account: Account, environ: Mapping[str, str], stream: TextIO, *, split: int = 1) -> None:
    """Tell the job, when there is one."""
    if not listens(environ):
        return
    with only_warning("the CI job could not be told", stream):
        from flowyard.wiring import open_ci_job

        open_ci_job(environ, stream).tell(account, _root(), split)


def comment(account: Account, asked: str, environ: Mapping[str, str], stream: TextIO) -> None:
    """Keep the comment on the pull or merge request: one for each target that is `asked` for, empty for the
    default one. Where there is no such request nothing is written, and that is said."""
    with only_warning("the comment was not written", stream):
        from flowyard.reporting.comment import keep
        from flowyard.reporting.markdown import COMMENT_BYTES, markdown
        from flowyard.wiring import open_comments

        comments = open_comments(environ)
        if comments is None:
            print("note: this is no job of a pull or merge request: no comment is written", file=stream)
            return
        keep(comments, f"{account.verb} {asked or 'default'}", markdown(account, COMMENT_BYTES))


def tell_error(
    error: FlowyardError, words: Sequence[str], environ: Mapping[str, str], stream: TextIO
) -> None:
    """Tell of an error that ended the whole command, whose words these are."""
    if not listens(environ):
        return
    from flowyard.reporting.account import Account

    account = Account(words[0], _target(words), error=error)
    tell(account, environ, stream)
    if "--comment" in words:
        comment(account, account.target, environ, stream)


def _target(words: Sequence[str]) -> str:
    """The target that the words name; empty for the default one, which only the files know."""
    for name in ("--target", "-t"):
        for number, word in enumerate(words):
            if word == name:
                return "".join(words[number + 1 : number + 2])
            if word.startswith(f"{name}="):
                return word.removeprefix(f"{name}=")
    return ""


def _root() -> Path:
    """The project's root, or the current folder where there is no project."""
    from flowyard.load import find_root

    try:
        return find_root(Path.cwd().resolve())
    except UsageError:
        return Path.cwd().resolve()
