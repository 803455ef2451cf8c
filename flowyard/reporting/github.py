"""What GitHub Actions takes from a step: commands in its log, outputs for later jobs. Pure: texts only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from flowyard.reporting.account import Account
from flowyard.reporting.places import Annotation
from flowyard.reporting.split import split

MOST_ANNOTATIONS = 10  # GitHub shows no more errors of one step
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def command(name: str, text: str = "", **properties: object) -> str:
    """A command in the log, such as `::error file=a.py,line=3::text`. Nothing in it can become another one."""
    given = ",".join(f"{key}={_escaped(str(value), _PROPERTY)}" for key, value in properties.items())
    return f"::{name}{f' {given}' if given else ''}::{_escaped(text, _DATA)}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


def error_commands(found: Iterable[tuple[str, Annotation]]) -> tuple[str, ...]:
    """Errors beside the code, each with the title that is given with it. The last one says how many are not shown."""
    every = [command("error", place.text, **_where(place), title=title) for title, place in found]
    more = len(every) - MOST_ANNOTATIONS
    if more <= 0:
        return tuple(every)
    shown = every[: MOST_ANNOTATIONS - 1]
    return (*shown, command("error", f"and {more + 1} more errors; the summary has them", title="Flowyard"))


def _where(place: Annotation) -> Mapping[str, object]:
    return {"file": place.file, "line": place.line} if place.file else {}


def quoted(text: str, token: str) -> str:
    """Output of other programs: nothing in it is a command. `token` is a word that it cannot know."""
    return f"{command('stop-commands', token)}\n{text.rstrip()}\n::{token}::"


def outputs(account: Account, groups: int) -> dict[str, str]:
    """What later jobs may use: numbers, and JSON that `fromJSON` takes."""
    build = [flow for flow in account.changes if flow.builds]
    parts = split(build if account.verb == "plan" else account.changes, groups)
    matrix = [
        {"group": f"{number} of {len(parts)}", "flows": " ".join(names)}
        for number, names in enumerate(parts, 1)
    ]
    return {
        "target": account.target,
        "changes": str(len(account.changes)),
        "builds": str(len(build)),
        "flows": json.dumps([flow.flow for flow in account.changes]),
        "failed": json.dumps([flow.flow for flow in account.failed]),
        "images": json.dumps({flow.flow: flow.image for flow in account.flows if flow.image}),
        "matrix": json.dumps({"include": matrix}),
    }


def output_lines(values: Mapping[str, str]) -> str:
    """The values as the file GITHUB_OUTPUT takes them; each is one line."""
    return "".join(f"{name}={value}\n" for name, value in values.items())
