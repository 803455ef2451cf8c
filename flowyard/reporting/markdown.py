"""An account as Markdown: the summary of a CI job, and the comment on a pull or merge request.

What a CI takes is bounded, so the text is: what is most wanted comes first, and a note says what is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowyard.errors import FlowyardError, Unfinished
from flowyard.reporting.account import Account, FlowAccount
from flowyard.texts import shortened

SUMMARY_BYTES = 1024 * 1024  # of a step's summary on GitHub
COMMENT_BYTES = 65_000  # of a comment on GitHub, where it is counted in characters; GitLab takes a million
_ERROR_BYTES = 20_000  # of one flow's error, so that one cannot hide the others
_SHOWN_REASONS = 6
_ROOM = 200  # for the note that something is left out
# What Markdown, HTML or a mention could be made of.
_MEANING = re.compile(r"[\\`*{}\[\]<>|#&@!~$]|(?<!\w)_|_(?!\w)")


def markdown(account: Account, most: int) -> str:
    """The account in at most so many bytes of UTF-8."""
    lines: list[str] = []
    left = most - _ROOM
    rest = [*_blocks(account)]
    for number, block in enumerate(rest):
        size = len(block.encode()) + 1
        if size > left:
            lines.append(
                f"\n_Cut here: {len(rest) - number} more lines are too many. The job's log has them all._"
            )
            break
        lines.append(block)
        left -= size
    return "\n".join(lines) + "\n"


def headline(account: Account) -> str:
    """The account in one sentence."""
    if account.error is not None and not account.flows:
        return "It ended with an error."
    if account.verb == "plan" and not account.changes:
        return f"Nothing to do: {len(account.flows)} flows unchanged."
    return f"{account.summary}."


def _blocks(account: Account) -> Iterator[str]:
    """Pieces that are shown whole or not at all, the most wanted ones first."""
    yield f"### Flowyard: {account.verb}{f' for {_code(account.target)}' if account.target else ''}\n"
    yield f"**{headline(account)}**\n"
    if account.error is not None:
        yield _error("", account.error)
    for flow in account.failed:
        if flow.error is not None:
            yield _error(flow.flow, flow.error)
    if account.changes:
        yield "\n| | flow | what | why |\n|---|---|---|---|"
        yield from (_row(flow) for flow in account.changes)
    if account.unchanged:
        names = ", ".join(_code(flow.flow) for flow in account.unchanged)
        yield f"\n<details><summary>{len(account.unchanged)} unchanged</summary>\n\n{names}\n\n</details>"


def _row(flow: FlowAccount) -> str:
    reasons = shortened([escaped(reason) for reason in flow.reasons], _SHOWN_REASONS)
    cell = "<br>".join([reasons, *(f"note: {escaped(note)}" for note in flow.notes)])
    image = f"<br>{_code(flow.image)}" if flow.image else ""
    return f"| {flow.sign} | {_code(flow.flow)} | {flow.action}{image} | {cell} |"


def _error(flow: str, error: FlowyardError) -> str:
    """An error with its text as it is: in a fence that nothing in it can close."""
    text = _cut(error.message, _ERROR_BYTES)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    hint = f"\n**Hint:** {escaped(error.hint)}\n" if error.hint else ""
    ended = "was not finished" if isinstance(error, Unfinished) else "failed"
    what = f"{_code(flow)} {ended}" if flow else "Error"
    return f"\n**{what}** ({type(error).__name__})\n\n{fence}text\n{text}\n{fence}\n{hint}"


def escaped(text: str) -> str:
    """The text as it is read: nothing in it becomes markup, breaks a table's row or calls somebody."""
    shown = _MEANING.sub(lambda found: f"&#{ord(found[0])};", text)
    return "<br>".join(shown.splitlines())


def _code(text: str) -> str:
    return f"<code>{escaped(text)}</code>"


def _cut(text: str, most: int) -> str:
    data = text.encode()
    return text if len(data) <= most else data[:most].decode(errors="ignore") + "\n[...]"
