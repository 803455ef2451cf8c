"""Where a flow declares its dependencies, and what it declares.

Three places, the ones Python users know: requirements.txt, pyproject.toml, or a PEP 723 header in the
entrypoint's file. Two at once would leave it open which one counts, so that is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowyard.configuration.parse import read_toml
from flowyard.configuration.paths import is_file
from flowyard.errors import Problem
from flowyard.texts import not_utf8, show
from flowyard.values import Dependencies

# The reference expression of PEP 723, "Inline script metadata".
_SCRIPT = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class DependencyError(ValueError):
    """The declaration cannot be read."""


def read_dependencies(root: Path, folder: Path, script: str) -> tuple[Dependencies, tuple[Problem, ...]]:
    """What the flow in `folder` (relative to `root`) declares; `script` is its entrypoint's file."""
    found = [
        (kind, folder / name, reader)
        for kind, name, reader in (
            ("requirements.txt", "requirements.txt", requirements_of_text),
            ("pyproject.toml", "pyproject.toml", requirements_of_pyproject),
            ("script", script, requirements_of_script),
        )
        if _is_there(root / folder / name, kind)
    ]
    parsed, problems = [], []
    for kind, path, reader in found:
        requirements, problem = _read(root, path, reader)
        problems += [problem] if problem is not None else []
        if requirements is not None:
            parsed.append(Dependencies(kind, path, requirements))  # type: ignore[arg-type]
    if len(parsed) > 1:
        places = " and ".join(str(item.file) for item in parsed)
        problems.append(Problem(folder.as_posix(), "", f"declares dependencies twice, in {places}; keep one"))
    return (parsed[0] if parsed else Dependencies("none", None, ())), tuple(problems)


def _is_there(path: Path, kind: str) -> bool:
    """A link that leads nowhere is a mistake and not a flow without dependencies; of the entrypoint's file it
    has been told already."""
    return is_file(path) if kind == "script" else os.path.lexists(path)


Reader = Callable[[str], "tuple[str, ...] | None"]


def _read(root: Path, path: Path, reader: Reader) -> tuple[tuple[str, ...] | None, Problem | None]:
    try:
        return reader((root / path).read_bytes().decode("utf-8-sig")), None
    except OSError as error:
        return None, Problem(path.as_posix(), "", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return None, Problem(path.as_posix(), "", not_utf8(error))
    except DependencyError as error:
        return None, Problem(path.as_posix(), "", str(error))
    except ValueError as error:
        return None, Problem(path.as_posix(), "", f"is not valid TOML: {error}")


def requirements_of_text(text: str) -> tuple[str, ...]:
    """The lines of a requirements.txt, without comments. Options such as `-r` are refused."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines())
    requirements = tuple(line for line in lines if line)
    for line in requirements:
        if line.startswith("-"):
            raise DependencyError(
                f"holds the option `{line.split()[0]}`; list requirements only (a private index is a build "
                "secret, see docs/configuration.md)"
            )
    return requirements


def requirements_of_pyproject(text: str) -> tuple[str, ...] | None:
    """`[project] dependencies`, or None when there is no such table."""
    return _dependencies(read_toml(text).get("project"), "project.dependencies")


def requirements_of_script(text: str) -> tuple[str, ...] | None:
    """`dependencies` of the PEP 723 header, or None when there is no header."""
    match = _SCRIPT.search(text)
    if match is None:
        return None
    lines = match["content"].splitlines(keepends=True)
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    return _dependencies(read_toml(content), "dependencies of the script header")


def _dependencies(table: Any, key: str) -> tuple[str, ...] | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise DependencyError(f"{key.partition('.')[0]} must be a table, found {show(table)}")
    value = table.get("dependencies", [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DependencyError(f"{key} must be a list of requirements in quotes")
    return tuple(value)
