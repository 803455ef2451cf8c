"""Where in the repository's files an error comes from, as far as it says so: for annotations beside the code.

A guess from words that people read: when it is wrong, an annotation stands in another line, and nothing else
hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flowyard.errors import ConfigurationError, FlowyardError, Problem

Read = Callable[[str], str | None]  # the text of a file of the repository, None where there is none

_LINE = re.compile(r"\bline (\d+)")
_NEAR = 60  # characters between a file's name and the line in it
_FILE = re.compile(r"(?:/opt/project/)?\b((?:flows|shared|images)/[\w./-]*\w|registry\.toml)")
_OF_FLOW = re.compile(r"(?<![\w/.-])([\w-]+\.(?:py|toml|lock|txt))\b")
_WORD = re.compile(r"[^.\[\]]+")
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A line of a file of the repository, and what is to be said there. Without a file: of the whole."""

    file: str
    line: int
    text: str


def places(error: FlowyardError, flow: str, read: Read) -> tuple[Annotation, ...]:
    """Where an error is shown, once for each thing that it finds wrong."""
    if isinstance(error, ConfigurationError):
        return tuple(_of_problem(problem, read) for problem in error.problems)
    text = f"{error.message}\n{error.hint}".strip()
    named = [(file, line) for file, line in _mentioned(error.message, flow) if read(file) is not None]
    if not named:
        return (Annotation("", 1, text),)
    file, line = next((one for one in named if one[1]), named[0])
    return (Annotation(file, line or 1, text),)


def _mentioned(message: str, flow: str) -> Iterator[tuple[str, int]]:
    """The files that a message may mean, with the line that is named right behind each; 0 where none is."""
    for found in _FILE.finditer(message):
        yield found[1], _line_behind(message[found.end() :])
    if flow:
        for found in _OF_FLOW.finditer(message):
            yield f"flows/{flow}/{found[1]}", _line_behind(message[found.end() :])
        yield f"flows/{flow}/flow.py", 0


def _line_behind(rest: str) -> int:
    found = _LINE.search(rest.partition("\n")[0][:_NEAR])
    return int(found[1]) if found else 0


def _of_problem(problem: Problem, read: Read) -> Annotation:
    file, _, where = problem.file.partition(",")
    text = read(file)
    if text is None:
        return Annotation("", 1, str(problem))
    said = _LINE.search(f"{where} {problem.text}")
    return Annotation(file, int(said[1]) if said else line_of(text, problem.key), str(problem))


def line_of(toml: str, key: str) -> int:
    """The line in which a key such as `targets.local.results` is set; that of its table, or 1, where it is not.

    What is in an array of an inline table is found by the key that holds it.
    """
    wanted = [word.strip("\"' ") for word in _WORD.findall(key)]
    table: list[str] = []
    best, depth = 1, 0
    for number, line in enumerate(toml.splitlines(), 1):
        header = _HEADER.match(line)
        name = line.partition("=")[0]
        table = _words(header[1]) if header else table
        path = table if header else [*table, *_words(name)] if "=" in line else []
        if path and len(path) > depth and path == wanted[: len(path)]:
            best, depth = number, len(path)
    return best


def _words(dotted: str) -> list[str]:
    return [word.strip("\"' ") for word in dotted.split(".")]
