"""What a flow's own Dockerfile has to keep, as far as its text shows it.

Flowyard ends every Dockerfile itself, with the stage that imports the flow and the image's last layer: so an
image that cannot import its flow cannot exist, whoever wrote what stands before. What only the finished
environment shows is checked by that stage, in runtime/contract.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowyard.configuration.forms import PINNED
from flowyard.errors import ConfigurationError, Problem

SOURCE = "source"  # the stage that the end builds on
_OURS = ("check", "image")
_HEREDOC = re.compile(r"<<-?([\"']?)([A-Za-z_][A-Za-z0-9_.-]*)\1")
_CONTINUED = "\\"
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_FROM = re.compile(r"(?:--\S+\s+)*(?P<base>\S+)(?:\s+as\s+(?P<name>\S+))?\s*", re.IGNORECASE)
_COPY_FROM = re.compile(r"--from=(\S+)")
_MOUNT_FROM = re.compile(r"--mount=\S*?\bfrom=([^\s,]+)")
_HELP = "; images/README.md says what a Dockerfile of your own has to keep"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, what follows it on one line, and where it begins (from 1)."""

    word: str
    rest: str
    line: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM: the name it gives, in lower case, or an empty text; and what it builds on."""

    name: str
    base: str
    line: int


def check_contract(file: str, text: str, line: str = "line {}") -> None:
    """Raise ConfigurationError with every breach of the contract in a Dockerfile's text.

    `text` is what stands before Flowyard's own end; `line` shows a line's number in messages.
    """
    if problems := [Problem(file, line.format(number), found) for number, found in _breaches(text)]:
        raise ConfigurationError(problems)


def instructions(text: str) -> Iterator[Instruction]:
    """A Dockerfile's instructions: comments and here-documents left out, continued lines joined."""
    lines = enumerate(text.splitlines(), start=1)
    joined, begins = "", 0
    for number, line in lines:
        words = line.strip()
        if not words or words.startswith("#"):
            continue  # also within an instruction, which it does not end
        begins = number if not joined else begins
        joined = f"{joined} {words.removesuffix(_CONTINUED).rstrip()}".strip()
        if words.endswith(_CONTINUED):
            continue
        word, _, rest = joined.partition(" ")
        yield Instruction(word.upper(), rest.strip(), begins)
        joined = ""
        for heredoc in _HEREDOC.finditer(rest):
            while next(lines, (0, heredoc[2]))[1].strip() != heredoc[2]:
                pass


def stages(found: Sequence[Instruction]) -> tuple[Stage, ...]:
    """The stages of a Dockerfile, in order."""
    matches = [(one, _FROM.fullmatch(one.rest)) for one in found if one.word == "FROM"]
    return tuple(
        Stage((match["name"] or "").lower(), match["base"], one.line) for one, match in matches if match
    )


def _breaches(text: str) -> Iterator[tuple[int, str]]:
    """The line of each breach, and what to say about it."""
    found = tuple(instructions(text))
    named = stages(found)
    first = next(iter(text.splitlines()), "")
    if (escape := _ESCAPE.match(first)) and escape[1] != _CONTINUED:
        yield 1, f"escape={escape[1]} is not supported: continue lines with \\{_HELP}"
    if not named:
        yield 1, f"there is no FROM; the last stage has to be `FROM ... AS {SOURCE}`{_HELP}"
        return
    if named[-1].name != SOURCE:
        called = f"is called {named[-1].name!r}" if named[-1].name else "has no name"
        yield named[-1].line, f"the last stage {called}; write `FROM ... AS {SOURCE}`{_HELP}"
    yield from _names(named)
    yield from _moving(found, named)
    yield from _entrypoints(found)


def _names(named: Sequence[Stage]) -> Iterator[tuple[int, str]]:
    for stage in named[:-1]:
        if stage.name == SOURCE:
            yield stage.line, f"another stage than the last is called {SOURCE!r}; give it another name"
    for stage in named:
        if stage.name in _OURS:
            text = f"no stage may be called {stage.name!r}: Flowyard adds one of that name; give it another"
            yield stage.line, text


def _moving(found: Sequence[Instruction], named: Sequence[Stage]) -> Iterator[tuple[int, str]]:
    """Images from elsewhere without a digest: they change, and the content key would not see it."""
    known = {stage.name for stage in named} | {str(number) for number in range(len(named))} | {"scratch"}
    uses = [(stage.line, stage.base) for stage in named]
    for one in found:
        uses += [(one.line, image) for image in _COPY_FROM.findall(one.rest) if one.word == "COPY"]
        uses += [(one.line, image) for image in _MOUNT_FROM.findall(one.rest) if one.word == "RUN"]
    for line, image in sorted(uses):
        if image.lower() not in known and not re.search(PINNED, image):
            text = f"{image} is not pinned: a tag moves, and nothing would notice; write NAME@sha256:..."
            yield line, text


def _entrypoints(found: Sequence[Instruction]) -> Iterator[tuple[int, str]]:
    for one in found:
        if one.word == "ENTRYPOINT":
            text = "the image's ENTRYPOINT is Flowyard's, which becomes the command it is given; leave it out"
            yield one.line, text
