"""Step 1, load: registry.toml, every flow.toml and registry.local.toml -> one validated `Project`.

Everything is validated before anything is done, and every problem of every file is reported at once: a
person mends them in one go. Reading is all that happens here; what the values mean is in complete.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from flowyard.configuration.complete import Sources, complete
from flowyard.configuration.models import BasesFile, FlowFile, LocalFile, RegistryFile
from flowyard.configuration.parse import Model, parse
from flowyard.configuration.paths import BASES_LOCK, FLOW_FILE, LOCAL_FILE, REGISTRY_FILE, is_inside
from flowyard.errors import ConfigurationError, Problem, UsageError
from flowyard.values import Project


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a registry.toml. Raises UsageError."""
    for folder in (start, *start.parents):
        if os.path.lexists(folder / REGISTRY_FILE):  # one that cannot be read is told of by `load`
            return folder
    raise UsageError(
        f"no {REGISTRY_FILE} in {start} or any folder above it",
        hint="go to a repository that has one, or make one: see README.md, 'In a repository of your own'",
    )


def load(root: Path) -> Project:
    """The project at `root`, validated and completed. Raises ConfigurationError with all problems."""
    reader = _Reader(root)
    registry = reader.required(root / REGISTRY_FILE, RegistryFile)
    local = reader.optional(root / LOCAL_FILE, LocalFile) or LocalFile()  # type: ignore[call-arg]
    bases = reader.optional(root / BASES_LOCK, BasesFile) or BasesFile()  # type: ignore[call-arg]
    flows: dict[str, FlowFile] = {}
    for folder in flow_folders(root):
        if os.path.lexists(folder / FLOW_FILE):  # a link that leads nowhere is a mistake, not a missing file
            found = reader.required(folder / FLOW_FILE, FlowFile)
            flows |= {} if found is None else {folder.name: found}
        else:
            flows[folder.name] = FlowFile.model_validate({})
    reader.problems += _folder_problems(root)
    if registry is None:
        raise ConfigurationError(reader.problems)
    sources = Sources(
        root=root,
        registry=registry,
        local=local,
        bases={**bases.bases, **local.bases},
        flows=flows,
    )
    project, problems = complete(sources)
    problems = (*reader.problems, *problems)
    if problems:
        raise ConfigurationError(problems)
    return project


def _folder_problems(root: Path) -> tuple[Problem, ...]:
    """What is wrong with flows/ and with where the folders in it really lie."""
    if not (root / "flows").is_dir():
        found = "is not a folder" if os.path.lexists(root / "flows") else "is missing"
        return (Problem("flows", "", f"{found}; make a folder flows/NAME with a flow.py in it"),)
    text = "is a link that leaves the repository; move the folder here"
    return tuple(
        Problem(f"flows/{folder.name}", "", text)
        for folder in flow_folders(root)
        if not is_inside(root, folder)
    )


def flow_folders(root: Path) -> tuple[Path, ...]:
    """The folders under flows/, sorted by name. Hidden folders and caches are not flows."""
    found = (entry for entry in (root / "flows").glob("*") if entry.is_dir())
    return tuple(sorted(entry for entry in found if not entry.name.startswith((".", "__"))))


class _Reader:
    """Parses files one after the other and keeps their problems."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.problems: tuple[Problem, ...] = ()

    def required(self, path: Path, model: type[Model]) -> Model | None:
        shown = path.relative_to(self._root).as_posix()
        found, problems = parse(path, shown, model)
        self.problems += problems
        return found

    def optional(self, path: Path, model: type[Model]) -> Model | None:
        return self.required(path, model) if os.path.lexists(path) else None
