"""Whether paths that the files name stay inside the folder they belong to, links followed.

A link can lead out of the repository where the text of a path does not: what lies there would be copied into an
image, and nobody else's checkout has it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def leaves(path: str) -> bool:
    """Whether the text of a relative path leads out of where it starts."""
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts


def is_inside(root: Path, path: Path) -> bool:
    """Whether `path`, which exists, lies below `root` when every link is followed."""
    return path.resolve().is_relative_to(root.resolve())
