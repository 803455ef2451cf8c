"""What the files of a project are called; and whether paths that they name are there, and stay inside the folder
they belong to, links followed.

What somebody wrote may be no path that a system takes, such as a name of 300 characters: then it is not there.
A link can lead out of the repository where the text of a path does not: what lies there would be copied into
an image, and nobody else's checkout has it.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

REGISTRY_FILE = "registry.toml"
LOCAL_FILE = "registry.local.toml"
FLOW_FILE = "flow.toml"
BASES_LOCK = Path("images/bases.lock")
COPY_IMAGES = "copy the folder images/ from Flowyard's repository"  # what to do where a file of it is missing


def is_file(path: Path) -> bool:
    """Whether there is such a file. Unlike Path.is_file, False for what no system takes as a path."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether there is such a folder. Unlike Path.is_dir, False for what no system takes as a path."""
    return os.path.isdir(path)  # noqa: PTH112


def leaves(path: str) -> bool:
    """Whether the text of a relative path leads out of where it starts."""
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts


def is_inside(root: Path, path: Path) -> bool:
    """Whether `path`, which exists, lies below `root` when every link is followed."""
    return path.resolve().is_relative_to(root.resolve())
